// The client of a program: calls, pushes and events over a connection that comes back by itself.

import type { Answer, CallOptions, Queued, QueueLimits } from "./calls.js";
import { expiring, Pending, Queue } from "./calls.js";
import type { Away, CloseReason } from "./close.js";
import { describe } from "./close.js";
import type { Clock } from "./clock.js";
import { systemClock } from "./clock.js";
import type { User } from "./connection.js";
import { Connection } from "./connection.js";
import { Code, PitayaError, textOf } from "./error.js";
import type { ClientInfo, Reply } from "./handshake.js";
import { json } from "./json.js";
import { Listeners } from "./listeners.js";
import type { State } from "./machine.js";
import type { Message } from "./message.js";
import { MessageType } from "./message.js";
import { Pushes } from "./pushes.js";
import type { Codec, Serializer } from "./serializer.js";
import type { Transport, WebSocketClass } from "./transport.js";
import { webSocketTransport } from "./transport.js";
import type { Body, Route, Schema } from "./types.js";

/** Options of a client. Times are in milliseconds. */
export interface Options {
  /** The address, for example `wss://game.example`. */
  readonly url: string;
  /** Data for the handshake. A function is asked before every attempt to connect, so that a token is fresh. */
  readonly user?: User | (() => User | Promise<User>);
  /** The format of bodies. The default is JSON. */
  readonly serializer?: Serializer;
  /** The WebSocket class, for a platform without one (Node before 22): that of the package `ws`. */
  readonly webSocket?: WebSocketClass;
  /** Another transport than WebSocket. */
  readonly transport?: Transport;
  /** The timeout of requests. The default is 10 s. */
  readonly timeout?: number;
  /** The timeout of one attempt to connect, with the question for `user`. The default is 10 s. */
  readonly connectTimeout?: number;
  /** The bounds of the calls that wait while the client is away. The default is 64 calls and 256 KiB. */
  readonly queue?: Partial<QueueLimits>;
  /** Closes the client if the server was built from another schema. Otherwise the client warns once. */
  readonly strict?: boolean;
  /** What the client tells of itself in the handshake. */
  readonly info?: ClientInfo;
  /** Takes warnings and errors that no call can report. The default is the console. */
  readonly logger?: Logger;
  /** The time. */
  readonly clock?: Clock;
  /** A random number from 0 up to 1. */
  readonly random?: () => number;
}

/** Where warnings go. */
export interface Logger {
  warn(text: string): void;
  error(text: string, error: unknown): void;
}

/** A call that failed because the client is closed for good, or a connection that the server refused. */
export class ClosedError extends PitayaError {
  override readonly name: string = "ClosedError";
  /** Why the client is closed. */
  readonly reason: CloseReason;

  constructor(reason: CloseReason) {
    super(reason.kind === "refused" ? Code.BAD_REQUEST : Code.CLOSED, describe(reason));
    this.reason = reason;
  }
}

/** A client. `P` has the types of pushes by route. Generated clients add the handlers of their schema. */
export class Client<P extends object = Record<string, any>> {
  private readonly connection: Connection;
  private readonly pending = new Pending();
  private readonly queue: Queue;
  private readonly pushes: Pushes;
  private readonly codecOf: (type: Body | undefined, at: string) => Codec;
  private readonly serializer: Serializer;
  private readonly logger: Logger;
  private readonly clock: Clock;
  private readonly timeout: number;
  private readonly opens = new Listeners<void>();
  private readonly aways = new Listeners<Away>();
  private readonly resets = new Listeners<void>();
  private readonly closes = new Listeners<CloseReason>();
  private readonly untyped = new Map<string, Codec>();
  private reason: CloseReason | undefined;
  private warned = false;

  /** Use {@link connect} or {@link createClient}, which know the type of the generated client. */
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
    const info: ClientInfo = { platform: "web", libVersion: "0.1.0", ...options.info, serializer: serializer.name };
    this.connection = new Connection(
      {
        url: options.url,
        user: options.user,
        info: schema.hash === "" ? info : { ...info, schema: schema.hash },
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
    this.addHandlers();
    // Later, so that whoever made the client hears of a failure too.
    queueMicrotask(() => this.connection.start());
  }

  /** Whether the client is connected. It is `away` between two connections and `connecting` before the first. */
  get state(): State {
    return this.connection.state;
  }

  /** Calls `listener` with each push of a route. Returns a function that removes it. */
  on<R extends keyof P & string>(route: R, listener: (message: P[R]) => void): () => void {
    return this.pushes.listen(route, listener as (message: unknown) => void);
  }

  /** Calls `listener` when the client is connected for the first time. Returns a function that removes it. */
  onOpen(listener: () => void): () => void {
    return this.opens.add(listener);
  }

  /**
   * Calls `listener` when the connection is lost, and after each attempt that fails. Requests that waited for an answer
   * have failed with `PIT-499` before. Returns a function that removes it.
   */
  onAway(listener: (away: Away) => void): () => void {
    return this.aways.add(listener);
  }

  /**
   * Calls `listener` when the client is connected again. The session is a new one: the program logs in and joins again
   * here. Pushes of the new session come later, and calls that waited are sent after those of the listener. Returns a
   * function that removes it.
   */
  onReset(listener: () => void): () => void {
    return this.resets.add(listener);
  }

  /**
   * Calls `listener` once, when the client is closed for good. Everything that the server sent was delivered before.
   * Returns a function that removes it.
   */
  onClosed(listener: (reason: CloseReason) => void): () => void {
    return this.closes.add(listener);
  }

  /** Closes the client. Calls that wait fail with `PIT-499`, and nothing more is delivered. */
  close(): void {
    this.connection.close();
  }

  /** Sends a request of a route that the schema does not have. Handlers of the schema have methods of their own. */
  request(route: string, message?: unknown, options?: CallOptions): Promise<any> {
    const codec = this.anyCodec(route);
    return this.call(route, codec, codec, message, options);
  }

  /** Sends a notify of a route that the schema does not have. Throws a {@link PitayaError} if it cannot be sent. */
  notify(route: string, message?: unknown): void {
    this.tell(route, this.anyCodec(route), message);
  }

  private anyCodec(route: string): Codec {
    let codec = this.untyped.get(route);
    if (codec === undefined) this.untyped.set(route, (codec = this.codecOf("any", route)));
    return codec;
  }

  /** Adds the methods of the schema's handlers. */
  private addHandlers(): void {
    for (const [group, methods] of Object.entries(this.schema.routes)) {
      if (group in this) throw new TypeError(`the group ${group} has the name of a member of Client`);
      const made: Record<string, unknown> = {};
      for (const [name, route] of Object.entries(methods)) {
        const { errors = [] } = route;
        const isError = (error: unknown) => error instanceof PitayaError && errors.includes(error.code);
        made[name] = Object.assign(this.handler(route), { isError });
      }
      Object.defineProperty(this, group, { value: made, enumerable: true });
    }
  }

  private handler({ route, message, reply, notify }: Route): object {
    const out = this.codecOf(message, route);
    if (notify) return (value?: unknown) => this.tell(route, out, value);
    const back = this.codecOf(reply, `reply of ${route}`);
    if (message === undefined) return (options?: CallOptions) => this.call(route, out, back, undefined, options);
    return (value: unknown, options?: CallOptions) => this.call(route, out, back, value, options);
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

  private tell(route: string, codec: Codec, message: unknown): void {
    this.sendOrQueue({ route, body: this.encode(route, codec, message) });
  }

  private call(
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

  private readonly failed = (error: unknown) => this.logger.error("pitaya: a listener failed", error);

  private opened(reply: Reply, first: boolean): void {
    if (reply.schemaMatches === false && !this.warned) {
      this.warned = true;
      this.logger.warn(`pitaya: the server was built from another schema than ${this.schema.name}`);
    }
    (first ? this.opens : this.resets).call(undefined, this.failed);
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

  private receive({ type, id, route, error, body }: Message): void {
    if (type === MessageType.RESPONSE) this.pending.take(id)?.reply(body, error);
    else if (type === MessageType.PUSH) this.pushes.deliver(route, body);
    else this.logger.warn("pitaya: the server sent a request, which this client ignores");
  }

  private away(away: Away, wasOpen: boolean): void {
    if (wasOpen) this.pending.failAll(new PitayaError(Code.CLOSED, `the connection was lost: ${away.reason}`));
    this.aways.call(away, this.failed);
  }

  private closed(reason: CloseReason): void {
    this.reason = reason;
    const error = new ClosedError(reason);
    this.pending.failAll(error);
    for (const { answer } of this.queue.take()) answer?.fail(error);
    this.closes.call(reason, this.failed);
  }
}

/**
 * Makes a client and begins to connect. Listeners that are added in the same turn miss nothing.
 *
 * @param schema - The schema, from a generated file.
 */
export function createClient<C extends Client<any>>(schema: Schema<C>, options: Options): C {
  return new Client(schema, options) as C;
}

/**
 * Makes a client and waits for its first connection. Attempts that fail are repeated until `signal` ends that.
 *
 * Rejects with a {@link ClosedError} if the server refuses the client, or with the reason of the signal.
 */
export function connect<C extends Client<any>>(
  schema: Schema<C>,
  options: Options & { readonly signal?: AbortSignal },
): Promise<C> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw signal.reason;
    const client = createClient(schema, options);
    const abort = () => {
      reject(signal?.reason);
      client.close();
    };
    const settle = () => {
      signal?.removeEventListener("abort", abort);
      stopOpen();
      stopClosed();
    };
    const stopOpen = client.onOpen(() => {
      settle();
      resolve(client);
    });
    const stopClosed = client.onClosed((reason) => {
      settle();
      reject(new ClosedError(reason));
    });
    signal?.addEventListener("abort", abort);
  });
}
