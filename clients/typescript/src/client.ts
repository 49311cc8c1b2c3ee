// What programs use: the client, and the two functions that make one.

import type { CallOptions } from "./calls.js";
import type { Away, CloseReason } from "./close.js";
import { ClosedError } from "./close.js";
import { Core } from "./core.js";
import { addHandlers } from "./handlers.js";
import type { Listener } from "./listeners.js";
import type { State } from "./machine.js";
import type { Options } from "./options.js";
import type { Schema } from "./types.js";

/** A client. `P` has the types of pushes by route. Generated clients add the handlers of their schema. */
export interface Client<P extends object = Record<string, any>> {
  /** Whether the client is connected. It is `away` between two connections and `connecting` before the first. */
  readonly state: State;

  /**
   * Calls `listener` with each push of a route. Returns a function that removes it. What a listener of this client
   * throws, or what its promise rejects with, goes to the logger.
   */
  on<R extends keyof P & string>(route: R, listener: Listener<P[R]>): () => void;

  /** Calls `listener` when the client is connected for the first time. Returns a function that removes it. */
  onOpen(listener: () => unknown): () => void;

  /**
   * Calls `listener` when the connection is lost, and after each attempt that fails. Requests that waited for an answer
   * have failed with `PIT-499` before. Returns a function that removes it.
   */
  onAway(listener: Listener<Away>): () => void;

  /**
   * Calls `listener` when the client is connected again. The session is a new one: the program logs in and joins again
   * here. Pushes of the new session come later, and calls that waited are sent after those of the listener. Returns a
   * function that removes it.
   */
  onReset(listener: () => unknown): () => void;

  /**
   * Calls `listener` once, when the client is closed for good. What the server sent before that was delivered before.
   * Returns a function that removes it.
   */
  onClosed(listener: Listener<CloseReason>): () => void;

  /** Closes the client. Calls that wait fail with `PIT-499`, and nothing more is delivered. */
  close(): void;

  /** Sends a request of a route that the schema does not have. Handlers of the schema have methods of their own. */
  request(route: string, message?: unknown, options?: CallOptions): Promise<any>;

  /** Sends a notify of a route that the schema does not have. Throws a `PitayaError` if it cannot be sent. */
  notify(route: string, message?: unknown): void;
}

/**
 * Makes a client and begins to connect. Listeners that are added in the same turn miss nothing.
 *
 * Throws if no attempt could succeed: the address is invalid, JSON cannot hold `user`, or the platform has no WebSocket.
 *
 * @param schema - The schema, from a generated file.
 */
export function createClient<C extends Client<any>>(schema: Schema<C>, options: Options): C {
  const core = new Core(schema, options);
  // An object of its own, so that no group of handlers can hide a part of the client.
  const client: Client = {
    get state() {
      return core.state;
    },
    on: (route, listener) => core.pushes.listen(route, listener),
    onOpen: (listener) => core.opens.add(listener),
    onAway: (listener) => core.aways.add(listener),
    onReset: (listener) => core.resets.add(listener),
    onClosed: (listener) => core.closes.add(listener),
    close: () => core.close(),
    request: (route, message, call) => core.request(route, message, call),
    notify: (route, message) => core.notify(route, message),
  };
  addHandlers(client, schema, core);
  // Later, so that whoever made the client hears of a failure too.
  queueMicrotask(() => core.start());
  return client as C;
}

/**
 * Makes a client and waits for its first connection. Attempts that fail are repeated until `signal` ends that.
 *
 * Rejects with a {@link ClosedError} if the server refuses the client, with the reason of the signal, or with what
 * {@link createClient} throws.
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
