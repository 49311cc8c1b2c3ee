import { Code, PitayaError } from "./error.js";

/** The codes of the server's close frames (docs/protocol.md, "Kick and close"). */
export const CloseCode = {
  NORMAL: 1000,
  GOING_AWAY: 1001,
  PROTOCOL: 1002,
  TOO_LARGE: 1009,
  KICKED: 4000,
  REPLACED: 4001,
  REFUSED: 4002,
  TIMEOUT: 4003,
  TOO_SLOW: 4004,
} as const;

const REASONS = new Map<number, string>([
  [CloseCode.NORMAL, "closed by the server"],
  [CloseCode.GOING_AWAY, "the server stops"],
  [CloseCode.PROTOCOL, "the server refused what this client sent"],
  [CloseCode.TOO_LARGE, "the server refused a message that is too large"],
  [CloseCode.TIMEOUT, "the server heard nothing from this client"],
  [CloseCode.TOO_SLOW, "this client reads too slowly"],
]);

/** Returns what a close code means. */
export function reasonOf(code: number | undefined): string {
  return REASONS.get(code ?? 0) ?? "connection lost";
}

/** Why a client is closed for good. */
export type CloseReason =
  /** `close()` was called. */
  | { readonly kind: "closed" }
  /** The server kicked the session. */
  | { readonly kind: "kicked" }
  /** A newer session of the same user took the place of this one. */
  | { readonly kind: "replaced" }
  /** The server refused the handshake. `payload` is what its hook gave, if anything. */
  | { readonly kind: "refused"; readonly code: number; readonly payload: unknown }
  /** The server speaks another serializer than this client. */
  | { readonly kind: "serializer"; readonly serializer: string }
  /** The server was built from another schema, and the option `strict` is set. */
  | { readonly kind: "schema" };

/** A lost connection, or a failed attempt to connect. Another attempt follows. */
export interface Away {
  /** What happened, for a person. */
  readonly reason: string;
  /** The code of the close frame, if there was one. */
  readonly code: number | undefined;
  /** The error, if there was one. */
  readonly error: unknown;
  /** Milliseconds until the next attempt. */
  readonly retryIn: number;
  /** The number of attempts that failed in a row. */
  readonly failures: number;
}

/** Returns a sentence for the reason of a close. */
function describe(reason: CloseReason): string {
  switch (reason.kind) {
    case "closed":
      return "the client is closed";
    case "kicked":
      return "kicked by the server";
    case "replaced":
      return "replaced by a newer session of the same user";
    case "refused":
      return `the server refused the handshake with code ${reason.code}`;
    case "serializer":
      return `the server speaks ${reason.serializer}, this client does not`;
    case "schema":
      return "the server was built from another schema";
  }
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
