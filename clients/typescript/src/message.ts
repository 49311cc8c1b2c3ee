// Messages: the bodies of data packets (docs/protocol.md, "Messages").

import { ProtocolError } from "./error.js";
import { decodeText, encodeText } from "./text.js";

/** The kinds of messages. */
export const MessageType = { REQUEST: 0, NOTIFY: 1, RESPONSE: 2, PUSH: 3 } as const;

/** A message. */
export interface Message {
  /** One of {@link MessageType}. */
  readonly type: number;
  /** The id of a request and of its response, else 0. */
  readonly id: number;
  /** The route; empty for a response. */
  readonly route: string;
  /** Whether the body is an error. */
  readonly error: boolean;
  /** Whether the body is compressed. */
  readonly compressed: boolean;
  readonly body: Uint8Array;
}

const CODED_ROUTE = 0x01;
const COMPRESSED = 0x10;
const ERROR = 0x20;
const LONGEST_ROUTE = 255;

/** The routes that travel as codes of two bytes. */
export class Dictionary {
  private readonly codes = new Map<string, number>();
  private readonly routes = new Map<number, string>();
  /** Encoded routes, with the byte or bytes before the name. */
  private readonly heads = new Map<string, Uint8Array>();

  constructor(entries: Iterable<readonly [string, number]> = []) {
    for (const [route, code] of entries) {
      if (!Number.isInteger(code) || code < 0 || code > 0xffff) {
        throw new ProtocolError(`invalid code of route ${route}: ${code}`);
      }
      if (this.codes.has(route) || this.routes.has(code)) {
        throw new ProtocolError(`duplicated route(route: ${route}, code: ${code})`);
      }
      this.codes.set(route, code);
      this.routes.set(code, route);
    }
  }

  has(route: string): boolean {
    return this.codes.has(route);
  }

  /** Returns the bytes of a route in a message. */
  encode(route: string): Uint8Array {
    let head = this.heads.get(route);
    if (head === undefined) {
      head = this.head(route);
      this.heads.set(route, head);
    }
    return head;
  }

  private head(route: string): Uint8Array {
    const code = this.codes.get(route);
    if (code !== undefined) return Uint8Array.of(code >>> 8, code);
    const name = encodeText(route);
    if (name.length > LONGEST_ROUTE) throw new ProtocolError("a route has at most 255 bytes");
    const head = new Uint8Array(1 + name.length);
    head[0] = name.length;
    head.set(name, 1);
    return head;
  }

  /** Returns the route of a code. */
  decode(code: number): string {
    const route = this.routes.get(code);
    if (route === undefined) throw new ProtocolError("route info not found in dictionary");
    return route;
  }
}

const NO_DICTIONARY = new Dictionary();

function hasId(type: number): boolean {
  return type === MessageType.REQUEST || type === MessageType.RESPONSE;
}

/** What {@link encodeMessage} takes. The body is sent as it is: a client need not compress. */
export interface Outgoing {
  readonly type: number;
  readonly id?: number;
  readonly route?: string;
  readonly error?: boolean;
  readonly body: Uint8Array;
}

const ids = new Uint8Array(10);

/** Returns the bytes of a message. */
export function encodeMessage(message: Outgoing, dictionary: Dictionary = NO_DICTIONARY): Uint8Array {
  const { type, id = 0, route = "", error = false, body } = message;
  if (!(type >= MessageType.REQUEST && type <= MessageType.PUSH)) throw new ProtocolError("wrong message type");
  const idLength = hasId(type) ? writeVarint(ids, id) : 0;
  const routed = type !== MessageType.RESPONSE;
  const head = routed ? dictionary.encode(route) : undefined;
  const headLength = head === undefined ? 0 : head.length;
  const bytes = new Uint8Array(1 + idLength + headLength + body.length);
  bytes[0] = (type << 1) | (error ? ERROR : 0) | (routed && dictionary.has(route) ? CODED_ROUTE : 0);
  for (let i = 0; i < idLength; i += 1) bytes[1 + i] = ids[i] as number;
  if (head !== undefined) bytes.set(head, 1 + idLength);
  bytes.set(body, 1 + idLength + headLength);
  return bytes;
}

/** Reads a message. A compressed body stays compressed. */
export function decodeMessage(bytes: Uint8Array, dictionary: Dictionary = NO_DICTIONARY): Message {
  if (bytes.length < 2) throw new ProtocolError("invalid message");
  const flags = bytes[0] as number;
  const type = (flags >> 1) & 0x07;
  if (type > MessageType.PUSH) throw new ProtocolError("wrong message type");
  let at = 1;
  let id = 0;
  if (hasId(type)) {
    let unit = 1;
    for (;;) {
      const byte = bytes[at];
      if (byte === undefined || at > 10) throw new ProtocolError("invalid message");
      at += 1;
      // Arithmetic, because shifts of JavaScript have 32 bits.
      id += (byte & 0x7f) * unit;
      unit *= 0x80;
      if (id > Number.MAX_SAFE_INTEGER) throw new ProtocolError("id out of range");
      if (byte < 0x80) break;
    }
  }
  let route = "";
  if (type !== MessageType.RESPONSE) {
    const coded = (flags & CODED_ROUTE) !== 0;
    const length = coded ? 2 : 1 + (bytes[at] ?? 0);
    const head = bytes.subarray(at, at + length);
    if (head.length < length) throw new ProtocolError("invalid message");
    route = coded ? dictionary.decode(((head[0] as number) << 8) | (head[1] as number)) : decodeText(head.subarray(1));
    at += length;
  }
  return {
    type,
    id,
    route,
    error: (flags & ERROR) !== 0,
    compressed: (flags & COMPRESSED) !== 0,
    body: bytes.subarray(at),
  };
}

/** Writes a varint and returns its length. */
function writeVarint(out: Uint8Array, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new ProtocolError("id out of range");
  let rest = value;
  let length = 0;
  while (rest >= 0x80) {
    out[length] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
    length += 1;
  }
  out[length] = rest;
  return length + 1;
}
