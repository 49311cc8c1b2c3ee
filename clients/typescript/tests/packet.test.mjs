import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolError } from "../dist/esm/error.js";
import { decodePacket, encodePacket, Framer, PacketType } from "../dist/esm/packet.js";
import { bytes, hex, randomFrom } from "./support.mjs";
import { forEachVector, isRefused } from "./vectors.mjs";

const plain = ({ type, body }) => ({ type, data: hex(body) });

forEachVector("packet_decode", (vector) => {
  const framer = new Framer();
  if (isRefused(vector)) {
    assert.throws(() => framer.push(bytes(vector.hex)), ProtocolError);
    return;
  }
  const packets = framer.push(bytes(vector.hex));
  assert.deepEqual(packets.map(plain), vector.packets.map(({ type, data_hex: data }) => ({ type, data })));
  assert.equal(framer.pending, vector.unconsumed_bytes ?? 0);
});

forEachVector("packet_encode", (vector) => {
  const body = vector.data_hex === undefined ? new Uint8Array(vector.data_len_zeros) : bytes(vector.data_hex);
  if (isRefused(vector)) {
    assert.throws(() => encodePacket(vector.type, body), ProtocolError);
    return;
  }
  const packet = encodePacket(vector.type, body);
  assert.equal(packet.length, 4 + body.length);
  if (vector.hex !== undefined) assert.equal(hex(packet), vector.hex);
  else assert.equal(hex(packet.subarray(0, 4)), vector.header_hex);
});

forEachVector("ws_message", (vector) => {
  if (!vector.accepted) {
    assert.throws(() => decodePacket(bytes(vector.hex)), ProtocolError);
    return;
  }
  const { type, body } = decodePacket(bytes(vector.hex));
  assert.deepEqual({ type, data: hex(body) }, { type: vector.packet.type, data: vector.packet.data_hex });
});

test("framer cuts a stream in any pieces into the same packets", () => {
  const random = randomFrom(1);
  const below = (n) => Math.floor(random() * n);
  for (let round = 0; round < 500; round += 1) {
    const packets = Array.from({ length: below(8) }, () => {
      const body = Uint8Array.from({ length: below(4) === 0 ? below(3000) : below(12) }, () => below(256));
      return encodePacket(1 + below(5), body);
    });
    const stream = Buffer.concat(packets);
    const framer = new Framer();
    const found = [];
    for (let at = 0; at < stream.length; ) {
      const end = Math.min(stream.length, at + 1 + below(below(2) === 0 ? 3 : 900));
      for (const { type, body } of framer.push(new Uint8Array(stream.subarray(at, end)))) {
        found.push(hex(encodePacket(type, body)));
      }
      at = end;
    }
    assert.deepEqual(found, packets.map(hex));
    assert.equal(framer.pending, 0);
  }
});

test("framer takes random bytes or throws a ProtocolError", () => {
  const random = randomFrom(2);
  let refused = 0;
  for (let round = 0; round < 5000; round += 1) {
    const framer = new Framer();
    let length = 0;
    try {
      for (let piece = 0; piece < 5; piece += 1) {
        const input = Uint8Array.from({ length: random() * 20 }, () => random() * (round % 2 === 0 ? 256 : 6));
        length += input.length;
        for (const { type, body } of framer.push(input)) {
          assert.ok(type >= 1 && type <= 5);
          length -= 4 + body.length;
        }
        assert.equal(framer.pending, length);
      }
    } catch (error) {
      assert.ok(error instanceof ProtocolError, String(error));
      refused += 1;
    }
  }
  assert.ok(refused > 1000);
});

test("framer refuses a wrong type before the rest of the header", () => {
  assert.throws(() => new Framer().push(Uint8Array.of(9)), ProtocolError);
});

test("framer puts a large packet together in linear time", () => {
  const packet = encodePacket(PacketType.DATA, new Uint8Array(8_000_000));
  const framer = new Framer();
  const start = performance.now();
  let found = 0;
  for (let at = 0; at < packet.length; at += 1000) found += framer.push(packet.subarray(at, at + 1000)).length;
  assert.equal(found, 1);
  // Joining at each of the 8000 pieces copies 32 GB.
  assert.ok(performance.now() - start < 3000);
});
