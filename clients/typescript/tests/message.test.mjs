import assert from "node:assert/strict";
import { test } from "node:test";
import { inflateSync } from "node:zlib";
import { ProtocolError } from "../dist/esm/error.js";
import { inflate } from "../dist/esm/inflate.js";
import { decodeMessage, Dictionary, encodeMessage, MessageType } from "../dist/esm/message.js";
import { bytes, hex } from "./support.mjs";
import { forEachVector, isRefused } from "./vectors.mjs";

const ROUTE_IS_CODED = 1;

const dictionaryOf = (vector) => new Dictionary(Object.entries(vector.dictionary ?? {}));

/** Ids beyond 2^53 cannot be of a request of this client, whose ids have 32 bits. */
const idTooLarge = (vector) => BigInt(vector.id ?? 0) > BigInt(Number.MAX_SAFE_INTEGER);

/** Go Pitaya sets bit 0 of a response whose request had a coded route, although a response has no route. */
const neverCoded = ({ type, port_should: should = "" }) => type === MessageType.RESPONSE && /bit 0|never set/.test(should);

/** Servers ignore bytes behind the zlib stream. Whether `DecompressionStream` does is the platform's choice. */
const refusesTrailing = await inflate(bytes("789c010000ffff00000001deadbeef")).then(
  () => false,
  () => true,
);
const hasTrailing = (data) => inflateSync(data, { info: true }).engine.bytesWritten < data.length;

async function decodeWhole(vector) {
  const message = decodeMessage(bytes(vector.hex), dictionaryOf(vector));
  return { ...message, body: message.compressed ? await inflate(message.body) : message.body };
}

async function assertDecodes(vector) {
  const { compressed, body } = decodeMessage(bytes(vector.hex), dictionaryOf(vector));
  if (compressed && refusesTrailing && hasTrailing(body)) {
    await assert.rejects(decodeWhole(vector), ProtocolError);
    return;
  }
  const message = await decodeWhole(vector);
  assert.deepEqual(
    { ...message, id: String(message.id), body: hex(message.body) },
    {
      type: vector.type,
      id: vector.id,
      route: vector.route,
      error: vector.err,
      compressed: vector.data_compressed,
      body: vector.data_hex,
    },
  );
}

forEachVector("message_decode", async (vector) => {
  if (isRefused(vector) || idTooLarge(vector)) await assert.rejects(decodeWhole(vector), ProtocolError);
  else await assertDecodes(vector);
});

forEachVector("message_encode", async (vector) => {
  const { type, id, route, err: error, data_hex: data } = vector;
  const encode = () => encodeMessage({ type, id: Number(id), route, error, body: bytes(data) }, dictionaryOf(vector));
  if (isRefused(vector) || idTooLarge(vector)) {
    assert.throws(encode, ProtocolError);
  } else if (vector.data_compressed) {
    // This client sends bodies as they are. Both forms mean the same.
    await assertDecodes(vector);
    await assertDecodes({ ...vector, hex: hex(encode()), data_compressed: false });
  } else {
    const wanted = bytes(vector.hex);
    if (neverCoded(vector)) wanted[0] &= ~ROUTE_IS_CODED;
    assert.equal(hex(encode()), hex(wanted));
  }
});

forEachVector("compression", async (vector) => {
  const data = bytes(vector.hex);
  if (isRefused(vector) || (refusesTrailing && hasTrailing(data))) await assert.rejects(inflate(data), ProtocolError);
  else assert.equal(hex(await inflate(data)), vector.inflated_hex);
});

test("every message of up to three bytes decodes or is a ProtocolError", () => {
  const dictionary = new Dictionary([["a", 1]]);
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0; // 400,000 stacks take seconds
  for (let length = 0; length <= 3; length += 1) {
    for (let n = 0; n < 256 ** Math.min(length, 2); n += 1) {
      for (const third of length === 3 ? [0, 1, 2, 0x7f, 0x80, 0xff] : [0]) {
        const input = Uint8Array.of(n & 0xff, n >> 8, third).subarray(0, length);
        try {
          assert.ok(decodeMessage(input, dictionary).body.length < length);
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw new Error(hex(input), { cause: error });
        }
      }
    }
  }
  Error.stackTraceLimit = stackTraceLimit;
});

test("ids up to 2^53 - 1 survive, larger ones are refused", () => {
  const encode = (id) => encodeMessage({ type: MessageType.RESPONSE, id, body: new Uint8Array(0) });
  for (const id of [0, 1, 127, 128, 300, 16383, 16384, 2 ** 31, 2 ** 32, 2 ** 53 - 1]) {
    assert.equal(decodeMessage(encode(id)).id, id);
  }
  assert.throws(() => encode(2 ** 53), ProtocolError);
});

test("dictionary refuses codes that are no codes, and duplicates", () => {
  for (const entries of [[["a", -1]], [["a", 65536]], [["a", 1.5]], [["a", "1"]], [["a", 1], ["b", 1]], [["a", 1], ["a", 2]]]) {
    assert.throws(() => new Dictionary(entries), ProtocolError, JSON.stringify(entries));
  }
});
