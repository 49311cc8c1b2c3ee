import type { Body, Schema } from "./types.js";

/** Writes and reads the bodies of one type. */
export interface Codec {
  /** Returns the bytes of a value. Throws a `TypeMismatch` if the value does not have the type. */
  encode(value: unknown): Uint8Array;
  /** Returns the value of bytes. Throws a `TypeMismatch` or the format's own error. */
  decode(bytes: Uint8Array): unknown;
}

/** The payload of an error response. */
export interface ErrorPayload {
  code?: string;
  msg?: string;
  metadata?: Record<string, string>;
}

/** A format of bodies. */
export interface Serializer {
  /** The name in the handshake. */
  readonly name: string;
  /** Returns a function that makes the codec of a type. An absent type is the empty message. */
  codecs(schema: Schema): (type: Body | undefined, at: string) => Codec;
  /** Reads the payload of an error response. */
  error(bytes: Uint8Array): ErrorPayload;
}

const NOTHING = new Uint8Array(0);

/** The empty message: no bytes are sent, and what comes is ignored. */
export const EMPTY: Codec = { encode: () => NOTHING, decode: () => undefined };

/** Bytes as they are. */
export const RAW: Codec = {
  encode: (value) => {
    if (!(value instanceof Uint8Array)) throw new TypeError("the message of this route is a Uint8Array");
    return value;
  },
  decode: (bytes) => bytes,
};
