// Calls: those that wait for an answer, and those that wait for a connection.

import type { Clock } from "./clock.js";
import { Code, PitayaError } from "./error.js";

/** The bounds of the queue. */
export interface QueueLimits {
  /** Calls that wait for a connection. */
  readonly calls: number;
  /** The sum of their bodies, in bytes. */
  readonly bytes: number;
}

/** A call that is not sent yet. */
export interface Queued {
  readonly route: string;
  readonly body: Uint8Array;
  /** Absent for a notify. */
  readonly answer?: Answer;
}

/** How a call ends. */
export interface Answer {
  /** Takes the body of the response. */
  reply(body: Uint8Array, isError: boolean): void;
  fail(error: unknown): void;
}

/** Calls that wait for a connection, in order, within bounds. */
export class Queue {
  private calls: Queued[] = [];
  private bytes = 0;

  constructor(private readonly limits: QueueLimits) {}

  get length(): number {
    return this.calls.length;
  }

  /** Adds a call. Throws a {@link PitayaError} if the queue is full. */
  push(call: Queued): void {
    const { calls, bytes } = this.limits;
    if (this.calls.length >= calls || this.bytes + call.body.length > bytes) {
      throw new PitayaError(Code.UNAVAILABLE, "the client is away and its queue is full", { route: call.route });
    }
    this.calls.push(call);
    this.bytes += call.body.length;
  }

  remove(call: Queued): void {
    const at = this.calls.indexOf(call);
    if (at < 0) return;
    this.calls.splice(at, 1);
    this.bytes -= call.body.length;
  }

  /** Returns all calls and forgets them. */
  take(): Queued[] {
    const all = this.calls;
    this.calls = [];
    this.bytes = 0;
    return all;
  }
}

const GREATEST_ID = 0xffffffff;

/** Requests that wait for their answers, by id. */
export class Pending {
  private readonly waiting = new Map<number, Answer>();
  private last = 0;

  get size(): number {
    return this.waiting.size;
  }

  /** Adds a request and returns its id. Ids go around within 32 bits, past 0, which asks for no answer. */
  add(answer: Answer): number {
    do this.last = this.last >= GREATEST_ID ? 1 : this.last + 1;
    while (this.waiting.has(this.last));
    this.waiting.set(this.last, answer);
    return this.last;
  }

  /** Returns the request of an answer; `undefined` if it does not wait any more. */
  take(id: number): Answer | undefined {
    const answer = this.waiting.get(id);
    if (answer !== undefined) this.waiting.delete(id);
    return answer;
  }

  /** Forgets a request; its late answer is dropped. */
  forget(answer: Answer): void {
    for (const [id, other] of this.waiting) {
      if (other === answer) {
        this.waiting.delete(id);
        return;
      }
    }
  }

  failAll(error: unknown): void {
    const all = [...this.waiting.values()];
    this.waiting.clear();
    for (const answer of all) answer.fail(error);
  }
}

/** Limits of one call. */
export interface CallOptions {
  /** Milliseconds until the request fails with `PIT-504`. Time in the queue counts. */
  readonly timeout?: number;
  /** Ends the request with the reason of the signal. The server still handles what was sent. */
  readonly signal?: AbortSignal;
}

/** Makes the answer of a request that ends by itself: by an answer, an error, its timeout or its signal. */
export function expiring(
  clock: Clock,
  route: string,
  timeout: number,
  signal: AbortSignal | undefined,
  end: Answer,
  forget: () => void,
): Answer {
  const stop = clock.after(timeout, () => {
    finish();
    forget();
    end.fail(new PitayaError(Code.TIMEOUT, `no answer after ${timeout} ms`, { route }));
  });
  const abort = () => {
    finish();
    forget();
    end.fail(signal?.reason);
  };
  const finish = () => {
    stop();
    signal?.removeEventListener("abort", abort);
  };
  signal?.addEventListener("abort", abort);
  return {
    reply(body, isError) {
      finish();
      end.reply(body, isError);
    },
    fail(error) {
      finish();
      end.fail(error);
    },
  };
}
