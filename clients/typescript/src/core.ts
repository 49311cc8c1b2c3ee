// Calls, pushes and events over a connection that comes back by itself.

import type { Answer, CallOptions, Queued } from "./calls.js";
import { expiring, Pending, Queue } from "./calls.js";
import type { Away, CloseReason } from "./close.js";
import { ClosedError } from "./close.js";
import type { Clock } from "./clock.js";
import { systemClock } from "./clock.js";
import { Connection } from "./connection.js";
import { Code, PitayaError, textOf } from "./error.js";
import type { ClientInfo, Reply } from "./handshake.js";
import { encodeHandshake } from "./handshake.js";
import { json } from "./json.js";
import { Listeners } from "./listeners.js";
import type { State } from "./machine.js";
import type { Message } from "./message.js";
import { MessageType } from "./message.js";
import type { Logger, Options } from "./options.js";
import { Pushes } from "./pushes.js";
import type { Codec, Serializer } from "./serializer.js";
import { webSocketTransport } from "./transport.js";
import type { Body, Schema } from "./types.js";

/** Lets whoever awaits a reply go on, also through some functions that only return its promise. */
async function turns(): Promise<void> {
  for (let i = 0; i < 6; i += 1) await undefined;
}

/** The calls, pushes and events of a client. */
export class Core {
  private readonly connection: Connection;
  private readonly pending = new Pending();
  private readonly queue: Queue;
  readonly pushes: Pushes;
  readonly codecOf: (type: Body | undefined, at: string) => Codec;
  private readonly serializer: Serializer;
  private readonly logger: Logger;
  private readonly clock: Clock;
  private readonly timeout: number;
  readonly opens = new Listeners<void>();
  readonly aways = new Listeners<Away>();
  readonly resets = new Listeners<void>();
  readonly closes = new Listeners<CloseReason>();
  private readonly untyped = new Map<string, Codec>();
  private reason: CloseReason | undefined;
  private warned = false;
  /** Whether the log has a line about the attempts that fail now. */
  private told = false;

  constructor(
    private readonly schema: Schema,
    options: Options,
  ) {
    const { serializer = json, clock = systemClock, logger = console } = options;
    this.serializer = serializer;
    this.clock = clock;
    this.logger = logger;
    this.timeout = options.timeout ?? 10_000;
    this.queue = new Queue({ calls: 64, bytes: 256 * 1024, ...options.queue });
    this.codecOf = serializer.codecs(schema);
    this.pushes = new Pushes(schema, this.codecOf, logger);
    // Throws if the address is invalid. That of a page may be relative.
    new URL(options.url, globalThis.location?.href);
    const info: ClientInfo = { platform: "web", libVersion: "0.1.0", ...options.info, serializer: serializer.name };
    const sys = schema.hash === "" ? info : { ...info, schema: schema.hash };
    // Throws if JSON cannot hold it.
    if (typeof options.user !== "function") encodeHandshake(sys, options.user);
    this.connection = new Connection(
      {
        url: options.url,
        user: options.user,
        info: sys,
        transport: options.transport ?? webSocketTransport(options.webSocket),
        clock,
        serializer: serializer.name,
        strict: options.strict ?? false,
        connectTimeout: options.connectTimeout ?? 10_000,
        random: options.random ?? Math.random,
      },
      {
        opened: (reply, first) => this.opened(reply, first),
        message: (message) => this.receive(message),
        away: (away, wasOpen) => this.away(away, wasOpen),
        closed: (reason) => this.closed(reason),
      },
    );
  }

  get state(): State {
    return this.connection.state;
  }

  start(): void {
    this.connection.start();
  }

  close(): void {
    this.connection.close();
  }

  request(route: string, message?: unknown, options?: CallOptions): Promise<unknown> {
    const codec = this.anyCodec(route);
    return this.call(route, codec, codec, message, options);
  }

  notify(route: string, message?: unknown): void {
    this.tell(route, this.anyCodec(route), message);
  }

  private anyCodec(route: string): Codec {
    let codec = this.untyped.get(route);
    if (codec === undefined) this.untyped.set(route, (codec = this.codecOf("any", route)));
    return codec;
  }

  // ---- Out ----

  private encode(route: string, codec: Codec, message: unknown): Uint8Array {
    if (this.reason !== undefined) throw new ClosedError(this.reason);
    try {
      return codec.encode(message);
    } catch (error) {
      throw new PitayaError(Code.BAD_REQUEST, textOf(error), { route }, error);
    }
  }

  tell(route: string, codec: Codec, message: unknown): void {
    this.sendOrQueue({ route, body: this.encode(route, codec, message) });
  }

  call(
    route: string,
    out: Codec,
    back: Codec,
    message: unknown,
    { timeout = this.timeout, signal }: CallOptions = {},
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw signal.reason;
      const body = this.encode(route, out, message);
      const end: Answer = {
        reply: (bytes, isError) => {
          try {
            if (isError) reject(this.errorOf(bytes));
            else resolve(back.decode(bytes));
          } catch (cause) {
            reject(new PitayaError(Code.BAD_REPLY, `unreadable reply: ${textOf(cause)}`, { route }, cause));
          }
        },
        fail: reject,
      };
      const answer = expiring(this.clock, route, timeout, signal, end, () => {
        this.queue.remove(call);
        this.pending.forget(answer);
      });
      const call: Queued = { route, body, answer };
      try {
        this.sendOrQueue(call);
      } catch (error) {
        answer.fail(error);
      }
    });
  }

  private errorOf(bytes: Uint8Array): PitayaError {
    const { code, msg, metadata } = this.serializer.error(bytes);
    const known = typeof metadata === "object" && metadata !== null ? metadata : {};
    return new PitayaError(typeof code === "string" ? code : "PIT-000", typeof msg === "string" ? msg : "", known);
  }

  private sendOrQueue(call: Queued): void {
    if (this.state === "open") this.send(call);
    else this.queue.push(call);
  }

  /** Throws a {@link PitayaError} if the message does not fit in the protocol. */
  private send({ route, body, answer }: Queued): void {
    const id = answer === undefined ? 0 : this.pending.add(answer);
    const type = answer === undefined ? MessageType.NOTIFY : MessageType.REQUEST;
    try {
      this.connection.send({ type, id, route, body });
    } catch (error) {
      this.pending.take(id);
      throw new PitayaError(Code.BAD_REQUEST, textOf(error), { route }, error);
    }
  }

  // ---- In ----

  private readonly ended = () => this.reason !== undefined;
  private readonly failed = (error: unknown) => this.logger.error("pitaya: a listener failed", error);

  private opened(reply: Reply, first: boolean): void {
    if (reply.schemaMatches === false && !this.warned) {
      this.warned = true;
      this.logger.warn(`pitaya: the server was built from another schema than ${this.schema.name}`);
    }
    this.told = false;
    (first ? this.opens : this.resets).call(undefined, this.failed, this.ended);
    if (this.state !== "open") return;
    for (const call of this.queue.take()) {
      try {
        this.send(call);
      } catch (error) {
        if (call.answer === undefined) this.failed(error);
        else call.answer.fail(error);
      }
    }
  }

  private receive({ type, id, route, error, body }: Message): void | Promise<void> {
    if (type !== MessageType.RESPONSE) return this.pushes.deliver(route, body);
    const answer = this.pending.take(id);
    // Its request has failed already: the answer is late.
    if (answer === undefined) return;
    answer.reply(body, error);
    return turns();
  }

  private away(away: Away, wasOpen: boolean): void {
    if (wasOpen) this.pending.failAll(new PitayaError(Code.CLOSED, `the connection was lost: ${away.reason}`));
    else if (!this.told) this.logger.warn(`pitaya: cannot connect, tries again: ${away.reason}`);
    this.told = !wasOpen;
    this.aways.call(away, this.failed, this.ended);
  }

  private closed(reason: CloseReason): void {
    this.reason = reason;
    const error = new ClosedError(reason);
    this.pending.failAll(error);
    for (const { answer } of this.queue.take()) answer?.fail(error);
    this.closes.call(reason, this.failed);
  }
}
