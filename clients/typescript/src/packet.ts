// Packets: the frames of the protocol (docs/protocol.md, "Packets").

import { ProtocolError } from "./error.js";

/** The types of packets. */
export const PacketType = { HANDSHAKE: 1, ACK: 2, HEARTBEAT: 3, DATA: 4, KICK: 5 } as const;

/** A packet. */
export interface Packet {
  /** One of {@link PacketType}. */
  readonly type: number;
  readonly body: Uint8Array;
}

/** The longest body that a header can express. */
export const MAX_BODY = 0xffffff;

const HEADER = 4;
const EMPTY = new Uint8Array(0);

function check(type: number): void {
  if (!(type >= PacketType.HANDSHAKE && type <= PacketType.KICK)) throw new ProtocolError("wrong packet type");
}

/** Returns the bytes of a packet. */
export function encodePacket(type: number, body: Uint8Array = EMPTY): Uint8Array {
  check(type);
  if (body.length > MAX_BODY) throw new ProtocolError("packet too large");
  const packet = new Uint8Array(HEADER + body.length);
  packet[0] = type;
  packet[1] = body.length >>> 16;
  packet[2] = body.length >>> 8;
  packet[3] = body.length;
  packet.set(body, HEADER);
  return packet;
}

/** Returns the first packet of a buffer and the offset behind it, or `undefined` if the packet is not complete. */
function first(bytes: Uint8Array, at: number): { packet: Packet; end: number } | undefined {
  const header = bytes.subarray(at, at + HEADER) as Uint8Array & { 0: number; 1: number; 2: number; 3: number };
  if (header.length > 0) check(header[0]);
  if (header.length < HEADER) return undefined;
  const body = at + HEADER;
  const end = body + (header[1] << 16) + (header[2] << 8) + header[3];
  if (end > bytes.length) return undefined;
  return { packet: { type: header[0], body: bytes.subarray(body, end) }, end };
}

/** Returns the packet of a WebSocket message, which holds exactly one. */
export function decodePacket(bytes: Uint8Array): Packet {
  const found = first(bytes, 0);
  if (found === undefined) throw new ProtocolError("received less data than expected");
  if (found.end !== bytes.length) throw new ProtocolError("received more data than expected");
  return found.packet;
}

/** Cuts a byte stream, which arrives in any pieces, into packets. */
export class Framer {
  private parts: Uint8Array[] = [];
  private length = 0;
  /** No packet is complete with fewer bytes. */
  private wanted = 1;

  /** The number of bytes that wait for the rest of their packet. */
  get pending(): number {
    return this.length;
  }

  /** Adds bytes and returns the packets that are complete now. */
  push(chunk: Uint8Array): Packet[] {
    this.parts.push(chunk);
    this.length += chunk.length;
    if (this.length < this.wanted) return [];
    const bytes = this.parts.length === 1 ? chunk : join(this.parts, this.length);
    const packets: Packet[] = [];
    let at = 0;
    for (let found = first(bytes, at); found !== undefined; found = first(bytes, at)) {
      packets.push(found.packet);
      at = found.end;
    }
    const rest = bytes.subarray(at) as Uint8Array & { 1: number; 2: number; 3: number };
    this.parts = rest.length > 0 ? [rest] : [];
    this.length = rest.length;
    // A large packet in many pieces is put together once, not at each piece.
    this.wanted = rest.length < HEADER ? 1 : HEADER + (rest[1] << 16) + (rest[2] << 8) + rest[3];
    return packets;
  }
}

/** Puts pieces together. `length` is the sum of their lengths. */
export function join(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
