// The connection as a state machine without input and output: events go in, effects come out.
//
// Whoever drives it does the effects, and calls `tick` when `deadline` has come.

import { backoff } from "./backoff.js";
import type { Away, CloseReason } from "./close.js";
import { CloseCode, reasonOf } from "./close.js";
import { textOf } from "./error.js";
import type { Reply } from "./handshake.js";

/** What a client is doing. `away` is between two connections, `connecting` before the first. */
export type State = "connecting" | "open" | "away" | "closed";

/** What the driver has to do, in order. */
export type Effect =
  /** Ask for the credentials; answer with `credentials` or `lost`. */
  | { readonly do: "ask"; readonly attempt: number }
  /** Open a link; answer with `reply` or `lost`. */
  | { readonly do: "dial"; readonly user: object | undefined }
  | { readonly do: "ack" }
  | { readonly do: "heartbeat" }
  /** Close the link. */
  | { readonly do: "hang up" }
  /** `first` is false for a connection after a lost one: its session is a new one. */
  | { readonly do: "opened"; readonly reply: Reply; readonly first: boolean }
  | { readonly do: "away"; readonly away: Away; readonly wasOpen: boolean }
  | { readonly do: "closed"; readonly reason: CloseReason };

export interface MachineOptions {
  /** The name of the serializer. */
  readonly serializer: string;
  /** Whether another schema of the server closes the client. */
  readonly strict: boolean;
  /** Milliseconds for one attempt, from the question for credentials to the handshake. */
  readonly connectTimeout: number;
  /** A random number from 0 up to 1. */
  readonly random: () => number;
}

type Phase =
  | { readonly is: "new" | "closed" }
  | { readonly is: "asking" | "dialing"; readonly until: number }
  | { readonly is: "open"; readonly since: number; readonly interval: number; kicked: number | undefined }
  | { readonly is: "waiting"; readonly until: number };

/** A connection that lasted less than this counts as a failed attempt. */
const MIN_UPTIME = 5_000;
/** How long a server may take to close after a kick. */
const KICK_GRACE = 2_000;

export class Machine {
  private phase: Phase = { is: "new" };
  private attempt = 0;
  private failures = 0;
  private everOpen = false;
  private lastHeard = 0;
  private lastSent = 0;
  private nextBeat = 0;

  constructor(private readonly options: MachineOptions) {}

  get state(): State {
    const { is } = this.phase;
    if (is === "open" || is === "closed") return is;
    return this.everOpen ? "away" : "connecting";
  }

  /** When `tick` must be called; `undefined` for never. It may move, also further away. */
  get deadline(): number | undefined {
    const { phase } = this;
    switch (phase.is) {
      case "new":
      case "closed":
        return undefined;
      case "open":
        if (phase.kicked !== undefined) return phase.kicked;
        return phase.interval > 0 ? Math.min(this.nextBeat, this.silentAt(phase.interval)) : undefined;
      default:
        return phase.until;
    }
  }

  private silentAt(interval: number): number {
    return this.lastHeard + 2 * interval;
  }

  // ---- Events ----

  start(now: number): Effect[] {
    return this.phase.is === "new" ? this.tryAgain(now) : [];
  }

  /** Takes the credentials of an attempt. */
  credentials(attempt: number, user: object | undefined): Effect[] {
    const { phase } = this;
    if (phase.is !== "asking" || attempt !== this.attempt) return [];
    this.phase = { is: "dialing", until: phase.until };
    return [{ do: "dial", user }];
  }

  /** Takes the failure to get the credentials of an attempt. */
  noCredentials(attempt: number, error: unknown, now: number): Effect[] {
    if (this.phase.is !== "asking" || attempt !== this.attempt) return [];
    return this.lose(now, `no credentials: ${textOf(error)}`, undefined, error);
  }

  /** The handshake was answered. */
  reply(reply: Reply, now: number): Effect[] {
    if (this.phase.is !== "dialing") return [];
    if (reply.code !== 200) return this.end({ kind: "refused", code: reply.code, payload: reply.user });
    if (reply.serializer !== this.options.serializer) {
      return this.end({ kind: "serializer", serializer: reply.serializer });
    }
    if (reply.schemaMatches === false && this.options.strict) return this.end({ kind: "schema" });
    this.phase = { is: "open", since: now, interval: reply.heartbeat, kicked: undefined };
    this.lastHeard = now;
    this.lastSent = now;
    this.nextBeat = now + reply.heartbeat;
    const first = !this.everOpen;
    this.everOpen = true;
    return [{ do: "ack" }, { do: "opened", reply, first }];
  }

  /** Any packet came. Costs nothing, because it is called for each. */
  heard(now: number): void {
    this.lastHeard = now;
  }

  /** Any packet was sent. */
  sent(now: number): void {
    this.lastSent = now;
  }

  /**
   * A heartbeat came. Timers of a page in the background are slow, and packets that come in are not: an answer keeps
   * such a page alive.
   */
  heartbeat(now: number): Effect[] {
    const { phase } = this;
    if (phase.is !== "open" || phase.interval === 0 || now - this.lastSent < phase.interval / 2) return [];
    return [{ do: "heartbeat" }];
  }

  /** A kick came. The close frame behind it says more, so the client waits for it, not for long. */
  kick(now: number): Effect[] {
    if (this.phase.is === "open") this.phase.kicked ??= now + KICK_GRACE;
    return [];
  }

  /** The link is closed, or its other side broke the protocol. */
  lost(now: number, code?: number, error?: unknown): Effect[] {
    const { phase } = this;
    if (phase.is !== "dialing" && phase.is !== "open") return [];
    if (code === CloseCode.REPLACED) return this.end({ kind: "replaced" });
    if (code === CloseCode.KICKED || (phase.is === "open" && phase.kicked !== undefined)) {
      return this.end({ kind: "kicked" });
    }
    if (code === CloseCode.REFUSED) return this.end({ kind: "refused", code: 400, payload: undefined });
    return this.lose(now, error === undefined ? reasonOf(code) : textOf(error), code, error);
  }

  /** The network is back, or the page is visible again. */
  wake(now: number): Effect[] {
    switch (this.phase.is) {
      case "waiting":
        return this.tryAgain(now);
      case "open":
        return [{ do: "heartbeat" }];
      default:
        return [];
    }
  }

  close(): Effect[] {
    return this.phase.is === "closed" ? [] : this.end({ kind: "closed" });
  }

  tick(now: number): Effect[] {
    const { phase } = this;
    const { deadline } = this;
    if (deadline === undefined || now < deadline) return [];
    switch (phase.is) {
      case "waiting":
        return this.tryAgain(now);
      case "open":
        return this.tickOpen(phase, deadline, now);
      default:
        return this.lose(now, `no connection after ${this.options.connectTimeout} ms`);
    }
  }

  private tickOpen(phase: Phase & { is: "open" }, deadline: number, now: number): Effect[] {
    if (phase.kicked !== undefined) return this.end({ kind: "kicked" });
    // A timer that fires late says nothing about the server: what it sent may wait behind this timer.
    if (now - deadline > phase.interval) this.lastHeard = Math.max(this.lastHeard, now - phase.interval);
    if (now >= this.silentAt(phase.interval)) return this.lose(now, "the server is silent");
    if (now < this.nextBeat) return [];
    this.nextBeat = now + phase.interval;
    return [{ do: "heartbeat" }];
  }

  // ---- Steps ----

  private tryAgain(now: number): Effect[] {
    this.attempt += 1;
    this.phase = { is: "asking", until: now + this.options.connectTimeout };
    return [{ do: "ask", attempt: this.attempt }];
  }

  private lose(now: number, reason: string, code?: number, error?: unknown): Effect[] {
    const { phase } = this;
    const wasOpen = phase.is === "open";
    if (wasOpen && now - phase.since >= MIN_UPTIME) this.failures = 0;
    const retryIn = backoff(this.failures, this.options.random);
    this.failures += 1;
    this.phase = { is: "waiting", until: now + retryIn };
    const away = { reason, code, error, retryIn, failures: this.failures };
    return [{ do: "hang up" }, { do: "away", away, wasOpen }];
  }

  private end(reason: CloseReason): Effect[] {
    this.phase = { is: "closed" };
    return [{ do: "hang up" }, { do: "closed", reason }];
  }
}
