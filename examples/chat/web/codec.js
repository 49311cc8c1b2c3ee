// The codec of the Pitaya protocol: plain functions from bytes to values and back.
// docs/protocol.md describes the formats; the section a part follows is named beside it.
// All input is checked: what is not as described throws a ProtocolError.

// ---- Packets -----------------------------------------------------------------

export const PacketType = Object.freeze({
  HANDSHAKE: 1,
  HANDSHAKE_ACK: 2,
  HEARTBEAT: 3,
  DATA: 4,
  KICK: 5,
});

/** The largest packet body: what three length bytes can say. */
export const MAX_PACKET_BODY = 0xffffff;

/** The largest body that is inflated, in bytes; a longer one is a protocol error. */
export const MAX_INFLATED = 16 * 1024 * 1024;

const HEADER = 4;
const EMPTY = new Uint8Array(0);
const encoder = new TextEncoder();

/** The bytes are not what the protocol says. The client closes the connection. */
export class ProtocolError extends Error {
  name = 'ProtocolError';
}

/** Header and body in one array. Throws a ProtocolError for a bad type or an oversized body. */
export function encodePacket(type, body = EMPTY) {
  checkPacketType(type);
  if (body.length > MAX_PACKET_BODY) throw new ProtocolError('packet too large');
  const packet = new Uint8Array(HEADER + body.length);
  packet.set([type, body.length >>> 16, (body.length >>> 8) & 0xff, body.length & 0xff]);
  packet.set(body, HEADER);
  return packet;
}

/** Every complete packet of a buffer as `{type, body}`, and how many bytes are left over. */
export function decodePackets(bytes) {
  const packets = [];
  let at = 0;
  while (bytes.length - at >= HEADER) {
    const type = bytes[at];
    checkPacketType(type);
    const end = at + HEADER + (bytes[at + 1] << 16) + (bytes[at + 2] << 8) + bytes[at + 3];
    if (end > bytes.length) break;
    packets.push({ type, body: bytes.subarray(at + HEADER, end) });
    at = end;
  }
  return { packets, rest: bytes.length - at };
}

/** The one packet of a WebSocket message, which holds exactly one ("Transports"). */
export function decodePacket(bytes) {
  const { packets, rest } = decodePackets(bytes);
  if (packets.length !== 1 || rest !== 0) {
    throw new ProtocolError('a WebSocket message holds exactly one packet');
  }
  return packets[0];
}

function checkPacketType(type) {
  if (!(type >= PacketType.HANDSHAKE && type <= PacketType.KICK)) {
    throw new ProtocolError('wrong packet type');
  }
}

// ---- Messages: the body of a data packet ---------------------------------------

export const MessageType = Object.freeze({ REQUEST: 0, NOTIFY: 1, RESPONSE: 2, PUSH: 3 });

const CODED_ROUTE = 0x01;
const COMPRESSED = 0x10;
const ERROR = 0x20;

const hasId = (type) => type === MessageType.REQUEST || type === MessageType.RESPONSE;

/**
 * Bytes of a message. `codes` maps routes to their dictionary codes. The body is
 * sent as it is: compressing is each side's own choice, and what a person types is short.
 */
export function encodeMessage({ type, id = 0, route = '', error = false, body = EMPTY }, codes = new Map()) {
  if (!(type >= MessageType.REQUEST && type <= MessageType.PUSH)) {
    throw new ProtocolError('wrong message type');
  }
  const code = type === MessageType.RESPONSE ? undefined : codes.get(route);
  const flag = (type << 1) | (error ? ERROR : 0) | (code === undefined ? 0 : CODED_ROUTE);
  const head = [flag];
  if (hasId(type)) pushVarint(head, id);
  if (code !== undefined) {
    head.push(code >>> 8, code & 0xff);
  } else if (type !== MessageType.RESPONSE) {
    const name = encoder.encode(route);
    if (name.length > 255) throw new ProtocolError('a route is at most 255 bytes');
    head.push(name.length, ...name);
  }
  const message = new Uint8Array(head.length + body.length);
  message.set(head);
  message.set(body, head.length);
  return message;
}

/**
 * The parts of a message: `{type, id, route, error, compressed, body}`. `routes` maps
 * dictionary codes to routes. A compressed body is left so; see `inflate`.
 */
export function decodeMessage(bytes, routes = new Map()) {
  if (bytes.length < 2) throw new ProtocolError('invalid message: too short');
  const flag = bytes[0];
  const type = (flag >> 1) & 0x07;
  if (type > MessageType.PUSH) throw new ProtocolError('wrong message type');
  let at = 1;
  let id = 0;
  if (hasId(type)) ({ id, at } = readVarint(bytes, at));
  let route = '';
  if (type !== MessageType.RESPONSE) {
    const coded = (flag & CODED_ROUTE) !== 0;
    ({ route, at } = coded ? readCode(bytes, at, routes) : readRoute(bytes, at));
  }
  return {
    type,
    id,
    route,
    error: (flag & ERROR) !== 0,
    compressed: (flag & COMPRESSED) !== 0,
    body: bytes.subarray(at),
  };
}

// Ids are base-128 numbers, low bits first. Arithmetic instead of shifts: JavaScript
// shifts in 32 bits, while its numbers are exact up to 2^53 - 1, which is the limit here.
function pushVarint(out, value) {
  if (!Number.isSafeInteger(value) || value < 0) throw new ProtocolError('id out of range');
  let rest = value;
  while (rest >= 0x80) {
    out.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  out.push(rest);
}

function readVarint(bytes, start) {
  let id = 0;
  let unit = 1;
  for (let at = start; at < bytes.length && at < start + 10; at += 1) {
    id += (bytes[at] & 0x7f) * unit;
    unit *= 0x80;
    if (!Number.isSafeInteger(id)) throw new ProtocolError('id out of range');
    if (bytes[at] < 0x80) return { id, at: at + 1 };
  }
  throw new ProtocolError('invalid message: unterminated id');
}

function readCode(bytes, at, routes) {
  if (at + 2 > bytes.length) throw new ProtocolError('invalid message: route cut short');
  const code = (bytes[at] << 8) | bytes[at + 1];
  const route = routes.get(code);
  if (route === undefined) throw new ProtocolError(`route code ${code} is not in the dictionary`);
  return { route, at: at + 2 };
}

function readRoute(bytes, at) {
  const start = at + 1;
  const end = start + bytes[at];
  // `bytes[at]` past the end is undefined and makes `end` NaN, which fails here too.
  if (!(end <= bytes.length)) throw new ProtocolError('invalid message: route cut short');
  return { route: decodeText(bytes.subarray(start, end)), at: end };
}

// ---- Bodies --------------------------------------------------------------------

/** Inflates zlib data. Rejects with a ProtocolError if it is damaged, or longer than `limit` bytes. */
export async function inflate(bytes, limit = MAX_INFLATED) {
  if (bytes.length === 0) throw new ProtocolError('compressed body is empty');
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate')).getReader();
  const chunks = [];
  let length = 0;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      length += part.value.length;
      if (length > limit) break;
      chunks.push(part.value);
    }
  } catch (cause) {
    throw new ProtocolError('compressed body is damaged', { cause });
  }
  if (length > limit) {
    await reader.cancel();
    throw new ProtocolError(`compressed body is longer than ${limit} bytes`);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** JSON in UTF-8; `undefined` is an empty body. */
export function encodeBody(value) {
  return value === undefined ? EMPTY : encoder.encode(JSON.stringify(value));
}

/** The value of a JSON body; an empty body is `undefined`. Throws a ProtocolError otherwise. */
export function decodeBody(bytes) {
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(decodeText(bytes));
  } catch (cause) {
    if (cause instanceof ProtocolError) throw cause;
    throw new ProtocolError('body is not JSON', { cause });
  }
}

function decodeText(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new ProtocolError('text is not UTF-8', { cause });
  }
}

/**
 * The server's handshake reply: `{code, heartbeatMs, serializer, codes, routes, reply}`.
 * A compressed reply has no flag: it is told from JSON by its first byte ("Handshake").
 */
export async function decodeHandshake(bytes) {
  const reply = decodeBody(bytes[0] === 0x78 ? await inflate(bytes) : bytes);
  const sys = reply?.sys ?? {};
  const codes = new Map(Object.entries(sys.dict ?? {}));
  for (const code of codes.values()) {
    if (!Number.isInteger(code) || code < 0 || code > 0xffff) {
      throw new ProtocolError('a dictionary code is a number from 0 to 65535');
    }
  }
  return {
    code: reply?.code,
    heartbeatMs: sys.heartbeat > 0 ? sys.heartbeat * 1000 : 0,
    serializer: sys.serializer ?? 'json',
    codes,
    routes: new Map([...codes].map(([route, code]) => [code, route])),
    reply,
  };
}
