// The codec of the chat example's client against the protocol's vectors.
//
//   node --test
//
// The file decides what is tried: a new entry of a known kind is a new case. The vectors
// are those of tests/vectors, or of the folder that PITAYA_VECTORS names.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { deflateSync, inflateSync } from 'node:zlib';
import * as codec from '../../examples/chat/web/codec.js';

const folder = process.env.PITAYA_VECTORS || fileURLToPath(new URL('../vectors', import.meta.url));
const vectors = JSON.parse(readFileSync(join(folder, 'client-vectors.json'), 'utf8'));

const bytes = (hex) => new Uint8Array(Buffer.from(hex, 'hex'));
const hex = (array) => Buffer.from(array).toString('hex');
const codesOf = (vector) => new Map(Object.entries(vector.dictionary ?? {}));
const routesOf = (vector) => new Map([...codesOf(vector)].map(([route, code]) => [code, route]));

const ROUTE_IS_CODED = 1;

/**
 * Is this a response that must not say that its route is a code? A response has no route; Go Pitaya sets
 * the bit nevertheless where the route of the request is in the dictionary.
 */
const neverCoded = ({ type, port_should: should = '' }) =>
  type === codec.MessageType.RESPONSE && /bit 0|never set/.test(should);

/** Must this be refused? `port_should` says so where Go Pitaya does something else, or crashes. */
const refused = (vector) =>
  vector.port_should === undefined ? vector.go_error !== undefined : vector.port_should.startsWith('reject');

// JavaScript counts exactly up to 2^53 - 1. This client's own ids stay within 32 bits,
// so an answer to a larger one is not for it.
const idTooLarge = (vector) => BigInt(vector.id ?? 0) > BigInt(Number.MAX_SAFE_INTEGER);

// Servers ignore bytes after the zlib stream; whether DecompressionStream does is the
// platform's choice: browsers refuse them.
const refusesTrailing = await codec
  .inflate(bytes('789c010000ffff00000001deadbeef'))
  .then(() => false, () => true);
function inflateFails(compressed) {
  const { engine } = inflateSync(compressed, { info: true });
  return refusesTrailing && engine.bytesWritten < compressed.length;
}

async function decodeWhole(vector) {
  const message = codec.decodeMessage(bytes(vector.hex), routesOf(vector));
  const body = message.compressed ? await codec.inflate(message.body) : message.body;
  return { ...message, body };
}

async function assertDecodes(vector) {
  const wire = codec.decodeMessage(bytes(vector.hex), routesOf(vector));
  if (wire.compressed && inflateFails(wire.body)) {
    await assert.rejects(decodeWhole(vector), codec.ProtocolError);
    return;
  }
  const message = await decodeWhole(vector);
  assert.equal(message.type, vector.type);
  assert.equal(String(message.id), vector.id);
  assert.equal(message.route, vector.route);
  assert.equal(message.error, vector.err);
  assert.equal(message.compressed, vector.data_compressed);
  assert.equal(hex(message.body), vector.data_hex);
}

const kinds = {
  packet_decode(vector) {
    const decode = () => codec.decodePackets(bytes(vector.hex));
    if (refused(vector)) {
      assert.throws(decode, codec.ProtocolError);
      return;
    }
    const { packets, rest } = decode();
    const wanted = vector.packets.map(({ type, data_hex: data }) => ({ type, data }));
    assert.deepEqual(packets.map(({ type, body }) => ({ type, data: hex(body) })), wanted);
    for (const [i, { body }] of packets.entries()) assert.equal(body.length, vector.packets[i].length);
    assert.equal(rest, vector.unconsumed_bytes ?? 0);
  },

  packet_encode(vector) {
    const body = vector.data_hex === undefined ? new Uint8Array(vector.data_len_zeros) : bytes(vector.data_hex);
    const encode = () => codec.encodePacket(vector.type, body);
    if (refused(vector)) {
      assert.throws(encode, codec.ProtocolError);
      return;
    }
    const packet = encode();
    assert.equal(packet.length, 4 + body.length);
    if (vector.hex !== undefined) assert.equal(hex(packet), vector.hex);
    else assert.equal(hex(packet.subarray(0, 4)), vector.header_hex);
  },

  ws_message(vector) {
    const decode = () => codec.decodePacket(bytes(vector.hex));
    if (!vector.accepted) {
      assert.throws(decode, codec.ProtocolError);
      return;
    }
    const { type, body } = decode();
    assert.equal(type, vector.packet.type);
    assert.equal(hex(body), vector.packet.data_hex);
  },

  async message_decode(vector) {
    if (refused(vector) || idTooLarge(vector)) await assert.rejects(decodeWhole(vector), codec.ProtocolError);
    else await assertDecodes(vector);
  },

  async message_encode(vector) {
    const { type, id, route, err: error, data_hex: data } = vector;
    const message = { type, id: Number(id), route, error, body: bytes(data) };
    const encode = () => codec.encodeMessage(message, codesOf(vector));
    if (refused(vector) || idTooLarge(vector)) {
      assert.throws(encode, codec.ProtocolError);
      return;
    }
    if (vector.data_compressed) {
      // This client sends bodies as they are. The compressed form must be readable, and
      // the plain one must mean the same.
      await assertDecodes(vector);
      await assertDecodes({ ...vector, hex: hex(encode()), data_compressed: false });
    } else {
      const wanted = bytes(vector.hex);
      if (neverCoded(vector)) wanted[0] &= ~ROUTE_IS_CODED;
      assert.equal(hex(encode()), hex(wanted));
    }
  },

  async compression(vector) {
    const inflating = codec.inflate(bytes(vector.hex));
    if (refused(vector)) await assert.rejects(inflating, codec.ProtocolError);
    else if (inflateFails(bytes(vector.hex))) await assert.rejects(inflating, codec.ProtocolError);
    else assert.equal(hex(await inflating), vector.inflated_hex);
  },

  async handshake_response(vector) {
    const { type, body } = codec.decodePacket(bytes(vector.packet_hex));
    assert.equal(type, codec.PacketType.HANDSHAKE);
    const handshake = await codec.decodeHandshake(body);
    assert.equal(handshake.code, vector.code);
    assert.equal(handshake.heartbeatMs, vector.heartbeat_seconds * 1000);
    assert.equal(handshake.serializer, vector.serializer);
    assert.deepEqual(handshake.codes, codesOf(vector));
    assert.deepEqual(handshake.routes, routesOf(vector));
    assert.deepEqual(handshake.reply, JSON.parse(vector.json));
  },

  error_payload(vector) {
    const message = codec.decodeMessage(bytes(vector.response_message_json_id_1_hex));
    assert.equal(message.type, codec.MessageType.RESPONSE);
    assert.equal(message.id, 1);
    assert.equal(message.error, true);
    const { code = '', msg = '', metadata = {} } = codec.decodeBody(message.body);
    assert.deepEqual({ code, msg, metadata }, { code: vector.code, msg: vector.msg, metadata: vector.metadata });
  },
};

/** Kinds about what a server does; the Rust tests run them. */
const serverKinds = new Set([
  'tcp_stream',
  'is_compressed_magic',
  'handshake_request',
  'route_decode',
  'rate_limit',
  'conversation',
  'heartbeat_drop',
]);

for (const [kind, entries] of Object.entries(vectors)) {
  if (kind === 'meta' || serverKinds.has(kind)) continue;
  test(`vectors: ${kind}`, async (t) => {
    assert.ok(kinds[kind], `nothing here knows what to do with vectors of the kind ${kind}`);
    assert.ok(entries.length > 0, `no vectors of the kind ${kind}`);
    for (const [i, vector] of entries.entries()) {
      await t.test(vector.name ?? `entry ${i}`, () => kinds[kind](vector));
    }
    console.log(`vectors: ${kind}: ${entries.length} cases`);
  });
}

test('vectors: every kind that is known has been tried', () => {
  const missing = Object.keys(kinds).filter((kind) => !(kind in vectors));
  assert.deepEqual(missing, []);
});

test('every message of up to three bytes decodes or is a ProtocolError', () => {
  const routes = new Map([[1, 'a']]);
  let tried = 0;
  for (let length = 0; length <= 3; length += 1) {
    // The third byte matters by its class only: zero, small, the top bit, all bits.
    const last = length === 3 ? [0, 1, 2, 0x7f, 0x80, 0xff] : [0];
    for (let n = 0; n < 256 ** Math.min(length, 2); n += 1) {
      for (const third of last) {
        const input = Uint8Array.of(n & 0xff, n >> 8, third).subarray(0, length);
        tried += 1;
        try {
          const { body } = codec.decodeMessage(input, routes);
          if (body.length > length) throw new Error(hex(input));
        } catch (error) {
          if (!(error instanceof codec.ProtocolError)) throw new Error(hex(input), { cause: error });
        }
      }
    }
  }
  assert.equal(tried, 1 + 256 + 256 ** 2 + 6 * 256 ** 2);
});

test('ids from 0 to 2^53 - 1 come back as they went', () => {
  for (const id of [0, 1, 127, 128, 300, 16383, 16384, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
    const message = codec.encodeMessage({ type: codec.MessageType.RESPONSE, id });
    assert.equal(codec.decodeMessage(message).id, id);
  }
  assert.throws(() => codec.encodeMessage({ type: codec.MessageType.RESPONSE, id: 2 ** 53 }), codec.ProtocolError);
});

test('an inflated body longer than the limit is refused', async () => {
  const bomb = deflateSync(new Uint8Array(1024 * 1024));
  await assert.rejects(codec.inflate(bomb, 64 * 1024), codec.ProtocolError);
  assert.equal((await codec.inflate(bomb, 1024 * 1024)).length, 1024 * 1024);
});

test('a body that is not UTF-8 or not JSON is a ProtocolError, an empty one is undefined', () => {
  assert.throws(() => codec.decodeBody(bytes('22ff22')), codec.ProtocolError);
  assert.throws(() => codec.decodeBody(bytes('7b')), codec.ProtocolError);
  assert.equal(codec.decodeBody(bytes('')), undefined);
  assert.deepEqual(codec.decodeBody(codec.encodeBody({ text: '🐉 é' })), { text: '🐉 é' });
});
