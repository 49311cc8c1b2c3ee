// The types of the methods that generated clients have.

import type { CallOptions } from "./calls.js";
import type { PitayaError } from "./error.js";

/** The errors of a route: `E` has the types of metadata by code. */
export type ErrorOf<E> = { [C in keyof E & string]: PitayaError<C, E[C]> }[keyof E & string];

interface Fallible<E> {
  /** Returns whether an error is one of this route's own, so that a `switch` over its `code` knows all codes. */
  isError(error: unknown): error is ErrorOf<E>;
}

/** A handler with a message and a reply. Fails with a {@link PitayaError}. */
export interface Request<M, R, E = {}> extends Fallible<E> {
  (message: M, options?: CallOptions): Promise<R>;
}

/** A handler with a reply and no message. Fails with a {@link PitayaError}. */
export interface EmptyRequest<R, E = {}> extends Fallible<E> {
  (options?: CallOptions): Promise<R>;
}

/** A handler with a message and no reply. Throws a {@link PitayaError} if the message cannot be sent. */
export type Notify<M> = (message: M) => void;

/** A handler with neither message nor reply. Throws a {@link PitayaError} if it cannot be sent. */
export type EmptyNotify = () => void;

/** A name of a set that may grow: the names known today, or any other text. */
export type Open<T extends string> = T | (string & {});

/**
 * A variant of a union that this client does not know, from a newer server. `$unknown` is the value as it came: an object,
 * or the bytes in Protobuf. It can be sent back.
 */
export type UnknownVariant<K extends string> = { readonly [P in K]?: undefined } & { readonly $unknown: unknown };
