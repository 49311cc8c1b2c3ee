/** The codes that this client gives to its own errors. The server's codes are in `docs/protocol.md`, "Errors". */
export const Code = {
  /** The handshake was refused, or a message cannot be encoded. */
  BAD_REQUEST: "PIT-400",
  /** The connection is closed, or was lost while the request waited for its answer. */
  CLOSED: "PIT-499",
  /** The answer cannot be decoded. */
  BAD_REPLY: "PIT-500",
  /** The client is away and its queue is full. */
  UNAVAILABLE: "PIT-503",
  /** The request got no answer in time. */
  TIMEOUT: "PIT-504",
} as const;

/** A failed call: an error of the server, or one of this client with a code of {@link Code}. */
export class PitayaError<C extends string = string, M = Readonly<Record<string, string>>> extends Error {
  override readonly name: string = "PitayaError";
  /** The code, for example `PIT-404`. */
  readonly code: C;
  /** Details of the error. */
  readonly metadata: M;
  /** The error that caused this one. */
  readonly cause: unknown;

  constructor(code: C, message: string, metadata: M = {} as M, cause?: unknown) {
    super(message || code);
    this.code = code;
    this.metadata = metadata;
    this.cause = cause;
  }
}

/** The server sent bytes that the protocol does not allow. The client closes such a connection. */
export class ProtocolError extends Error {
  override readonly name: string = "ProtocolError";
  /** The error that caused this one. */
  readonly cause: unknown;

  constructor(message: string, cause?: unknown) {
    super(message);
    this.cause = cause;
  }
}

/** A value does not have the type that the schema says. */
export class TypeMismatch extends Error {
  override readonly name: string = "TypeMismatch";
}

/** Returns the text of anything that was thrown. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
