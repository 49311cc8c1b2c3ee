import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync, gzipSync } from "node:zlib";
import { ProtocolError } from "../dist/esm/error.js";
import { decodeHandshake, encodeHandshake } from "../dist/esm/handshake.js";
import { inflate, inflateAny, looksCompressed } from "../dist/esm/inflate.js";
import { decodePacket, PacketType } from "../dist/esm/packet.js";
import { body, bytes } from "./support.mjs";
import { forEachVector } from "./vectors.mjs";

forEachVector("handshake_response", async (vector) => {
  const { type, body: reply } = decodePacket(bytes(vector.packet_hex));
  assert.equal(type, PacketType.HANDSHAKE);
  const handshake = await decodeHandshake(reply);
  assert.equal(handshake.code, vector.code);
  assert.equal(handshake.heartbeat, vector.heartbeat_seconds * 1000);
  assert.equal(handshake.serializer, vector.serializer);
  for (const [route, code] of Object.entries(vector.dictionary)) assert.equal(handshake.dictionary.decode(code), route);
});

forEachVector("is_compressed_magic", ({ hex, compressed }) => {
  assert.equal(looksCompressed(bytes(hex)), compressed);
});

test("the request has what the client tells of itself and the user's data", () => {
  const request = JSON.parse(Buffer.from(encodeHandshake({ platform: "web", schema: "abc" }, { token: "é" })).toString());
  assert.deepEqual(request, { sys: { platform: "web", schema: "abc" }, user: { token: "é" } });
  assert.deepEqual(JSON.parse(Buffer.from(encodeHandshake({})).toString()), { sys: {} });
});

test("a reply with a strange heartbeat, schema or serializer is read safely", async () => {
  const read = (sys) => decodeHandshake(body({ code: 200, sys }));
  assert.equal(read({ heartbeat: -1 }).heartbeat, 0);
  assert.equal(read({ heartbeat: "soon" }).heartbeat, 0);
  assert.equal(read({ heartbeat: 1e-6 }).heartbeat, 1000);
  assert.equal(read({ heartbeat: 1e300 }).heartbeat, 24 * 60 * 60 * 1000);
  assert.equal(read({ serializer: 5 }).serializer, "json");
  assert.equal(read({ schema: { match: false } }).schemaMatches, false);
  assert.equal(read({ schema: "x" }).schemaMatches, undefined);
});

test("a reply that is no reply is a ProtocolError", async () => {
  for (const text of ["", "{", "null", "[]", '"x"', "{}", '{"code":"200"}', '{"code":200,"sys":1}', '{"code":200,"sys":{"dict":{"a":-1}}}']) {
    assert.throws(() => decodeHandshake(Buffer.from(text)), ProtocolError, text);
  }
  await assert.rejects(async () => decodeHandshake(bytes("789c00112233")), ProtocolError);
});

test("bodies are zlib data within a limit, handshakes may be gzip too", async () => {
  const plain = new Uint8Array(1024 * 1024);
  assert.deepEqual(await inflate(deflateSync(plain)), plain);
  assert.deepEqual(await inflateAny(deflateSync(plain)), plain);
  assert.deepEqual(await inflateAny(gzipSync(plain)), plain);
  await assert.rejects(inflate(deflateSync(plain), 64 * 1024), ProtocolError);
  await assert.rejects(inflate(deflateSync(plain).subarray(0, 100)), ProtocolError);
  await assert.rejects(inflate(gzipSync(plain)), ProtocolError);
  await assert.rejects(inflate(new Uint8Array(0)), ProtocolError);
});
