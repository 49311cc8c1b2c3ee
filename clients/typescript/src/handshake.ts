// The two bodies that open a connection (docs/protocol.md, "Handshake").

import { ProtocolError } from "./error.js";
import { inflateAny, looksCompressed } from "./inflate.js";
import { Dictionary } from "./message.js";
import { decodeText, encodeText } from "./text.js";

/** What the client tells of itself. All values are texts. */
export interface ClientInfo {
  readonly platform?: string;
  readonly libVersion?: string;
  readonly clientVersion?: string;
  readonly clientBuildNumber?: string;
  /** The serializer that the client speaks. */
  readonly serializer?: string;
  /** The hash of the schema that the client was generated from. */
  readonly schema?: string;
}

/** The server's answer. */
export interface Reply {
  /** 200, or the reason of a refusal. */
  readonly code: number;
  /** Milliseconds between heartbeats; 0 if the server names none. */
  readonly heartbeat: number;
  readonly serializer: string;
  readonly dictionary: Dictionary;
  /** Whether the server was built from the same schema; `undefined` if it does not say. */
  readonly schemaMatches: boolean | undefined;
  /** The data of a refusal. */
  readonly user: unknown;
}

/** The bounds of heartbeat intervals. A reply may have any number. */
const SHORTEST = 1000;
const LONGEST = 24 * 60 * 60 * 1000;

/** Returns the body of the client's handshake. */
export function encodeHandshake(sys: ClientInfo, user?: object): Uint8Array {
  return encodeText(JSON.stringify({ sys, user }));
}

/** Reads the server's answer. It is compressed if it begins as compressed data does. */
export function decodeHandshake(body: Uint8Array): Reply | Promise<Reply> {
  return looksCompressed(body) ? inflateAny(body).then(parse) : parse(body);
}

function parse(body: Uint8Array): Reply {
  let reply: any;
  try {
    reply = JSON.parse(decodeText(body));
  } catch (cause) {
    throw new ProtocolError("handshake reply is not JSON", cause);
  }
  const sys = reply?.sys ?? {};
  if (typeof reply?.code !== "number" || typeof sys !== "object") throw new ProtocolError("invalid handshake reply");
  return {
    code: reply.code,
    heartbeat: sys.heartbeat > 0 ? Math.min(Math.max(sys.heartbeat * 1000, SHORTEST), LONGEST) : 0,
    serializer: typeof sys.serializer === "string" ? sys.serializer : "json",
    dictionary: new Dictionary(Object.entries(sys.dict ?? {}) as [string, number][]),
    schemaMatches: typeof sys.schema?.match === "boolean" ? sys.schema.match : undefined,
    user: reply.user,
  };
}
