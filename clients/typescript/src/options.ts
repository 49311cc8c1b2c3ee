import type { QueueLimits } from "./calls.js";
import type { Clock } from "./clock.js";
import type { User } from "./connection.js";
import type { ClientInfo } from "./handshake.js";
import type { Serializer } from "./serializer.js";
import type { Transport, WebSocketClass } from "./transport.js";

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
  /**
   * Closes the client if the server says that it was built from another schema. Otherwise the client warns once. Servers
   * of this version do not say it.
   */
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
