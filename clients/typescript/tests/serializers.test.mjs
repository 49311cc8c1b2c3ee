import assert from "node:assert/strict";
import { test } from "node:test";
import { json } from "../dist/esm/json.js";
import { msgpack } from "../dist/esm/msgpack.js";
import { protobuf } from "../dist/esm/protobuf.js";
import { body, bytes } from "./support.mjs";
import { forEachVector } from "./vectors.mjs";

const schema = (int64) => ({
  name: "test",
  hash: "",
  int64,
  routes: {},
  pushes: {},
  types: {
    Mode: { values: { solo: 0, team: 1 } },
    Inner: { fields: { n: { type: "i32", optional: true, tag: 1 }, next: { type: { opt: { ref: "Inner" } }, optional: true, tag: 2 } } },
    All: {
      fields: {
        yes: { type: "bool", optional: true, tag: 1 },
        small: { type: "i32", optional: true, tag: 2 },
        natural: { type: "u32", optional: true, tag: 3 },
        wide: { type: "i64", optional: true, tag: 4 },
        huge: { type: "u64", optional: true, tag: 5 },
        single: { type: "f32", optional: true, tag: 6 },
        double: { type: "f64", optional: true, tag: 7 },
        text: { type: "string", optional: true, tag: 8 },
        data: { type: "bytes", optional: true, tag: 9 },
        list: { type: { list: "i32" }, optional: true, tag: 10 },
        names: { type: { list: "string" }, optional: true, tag: 11 },
        map: { type: { map: ["string", "i64"] }, optional: true, tag: 12 },
        maybe: { type: { opt: "string" }, optional: true, tag: 13 },
        mode: { type: { ref: "Mode" }, optional: true, tag: 14 },
        inner: { type: { ref: "Inner" }, optional: true, tag: 15 },
        inners: { type: { list: { ref: "Inner" } }, optional: true, tag: 16 },
        digits: { type: { text: "u64" }, optional: true, tag: 17 },
        zigzag: { type: "i32", optional: true, tag: 18, wire: "sint32" },
        fixed: { type: "u64", optional: true, tag: 19, wire: "fixed64" },
        modes: { type: { list: { ref: "Mode" } }, optional: true, tag: 20 },
        octets: { type: { list: "u8" }, optional: true, tag: 21 },
      },
    },
    Small: { fields: { i8: { type: "i8" }, u16: { type: "u16" }, any: { type: "any", optional: true } } },
    Wide: { fields: { n: { type: "u64", tag: 1 } } },
    Text: { fields: { n: { type: { text: "i64" }, tag: 1 } } },
    Modes: { fields: { mode: { type: { ref: "Mode" }, tag: 1 } } },
    Keys: { fields: { byId: { type: { map: ["u32", "string"] }, tag: 1 } } },
    Named: { fields: { mode: { type: { ref: "ByName" } } } },
    ByName: { values: { solo: 0, team: 1 }, by: "name" },
  },
});

const codec = (serializer, type, int64 = "number") => serializer.codecs(schema(int64))({ ref: type }, type);

const all = (wide) => ({
  yes: true,
  small: -5,
  natural: 4_000_000_000,
  wide: wide(-1234567890123),
  huge: wide(2 ** 53 - 1),
  single: 1.5,
  double: Math.PI,
  text: "é🐉",
  data: Uint8Array.of(0, 255),
  list: [1, -1, 300],
  names: ["a", ""],
  map: { a: wide(1), __proto_: wide(-2) },
  mode: "team",
  inner: { n: 1, next: { n: 2 } },
  inners: [{ n: 0 }, { n: -7 }],
  digits: wide(12345678901),
  zigzag: -3,
  fixed: wide(7),
  modes: ["solo", "team"],
  octets: [1, 2, 255],
});

const plain = (value) => JSON.parse(JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}n` : part)));

for (const serializer of [json, msgpack, protobuf]) {
  for (const [int64, wide] of [["number", Number], ["bigint", BigInt]]) {
    test(`${serializer.name}: all types survive with ${int64}`, () => {
      const { encode, decode } = codec(serializer, "All", int64);
      const value = all(wide);
      assert.deepEqual(plain(decode(encode(value))), plain(value));
    });
  }

  test(`${serializer.name}: a 64-bit integer is exact or an error`, () => {
    const big = 2n ** 63n + 1n;
    if (serializer === json) {
      const { encode, decode } = codec(json, "Wide", "bigint");
      assert.throws(() => encode({ n: big }), /cannot hold/);
      for (const n of ["9007199254740992", "9007199254740993", "18446744073709551615"]) {
        assert.throws(() => decode(Buffer.from(`{"n":${n}}`)), /not an exact integer/);
      }
    } else {
      const exact = codec(serializer, "Wide", "bigint");
      assert.equal(exact.decode(exact.encode({ n: big })).n, big);
      assert.throws(() => codec(serializer, "Wide", "number").decode(exact.encode({ n: big })), /cannot hold/);
    }
    const { encode } = codec(serializer, "Wide", "bigint");
    for (const n of [-1, -1n, 2n ** 64n, 1.5, 2 ** 53, "1", Number.NaN]) {
      assert.throws(() => encode({ n }), { name: "TypeMismatch" }, String(n));
    }
  });

  test(`${serializer.name}: 64-bit integers as text are exact`, () => {
    const { encode, decode } = codec(serializer, "Text", "bigint");
    for (const n of [0n, -(2n ** 63n), 2n ** 63n - 1n]) assert.equal(decode(encode({ n })).n, n);
    assert.throws(() => encode({ n: 2n ** 63n }), /is no i64/);
  });

  test(`${serializer.name}: an unknown value of an enum is text, and can be sent back`, () => {
    const { encode, decode } = codec(serializer, "Modes");
    const unknown = encode({ mode: "7" });
    assert.deepEqual(decode(unknown), { mode: "7" });
    assert.deepEqual(encode(decode(unknown)), unknown);
    assert.throws(() => encode({ mode: "duo" }), /"?duo"? is no Mode/);
    assert.throws(() => encode({ mode: "constructor" }), /is no Mode/);
  });

  test(`${serializer.name}: a value of another type is refused before it is sent`, () => {
    const { encode } = codec(serializer, "All");
    for (const change of [{ yes: 1 }, { small: 2 ** 31 }, { natural: -1 }, { text: 5 }, { data: "x" }, { list: {} }, { names: [1] }, { map: [] }, { inner: 1 }, { text: null }]) {
      assert.throws(() => encode({ ...all(Number), ...change }), { name: "TypeMismatch" }, JSON.stringify(change));
    }
    assert.throws(() => encode(undefined), { name: "TypeMismatch" });
  });

  test(`${serializer.name}: random bytes never pass as another type`, () => {
    const { decode } = codec(serializer, "All");
    for (let n = 0; n < 65536; n += 1) {
      let value;
      try {
        value = decode(Uint8Array.of(n & 255, n >> 8));
      } catch {
        continue;
      }
      assert.equal(typeof value.small, "number");
      assert.equal(typeof value.text, "string");
    }
  });
}

test("json: a missing field, a wrong type and a number out of range name the field", () => {
  const { decode } = codec(json, "Small");
  for (const [value, problem] of [
    [{ i8: 1 }, "Small.u16: missing"],
    [{ i8: null, u16: 1 }, "Small.i8: null is no i8"],
    [{ i8: 128, u16: 1 }, "Small.i8: 128 is no i8"],
    [{ i8: 1.5, u16: 1 }, "Small.i8: 1.5 is no i8"],
    [{ i8: 1, u16: "1" }, "Small.u16: 1 is no u16"],
    [{ i8: 1, u16: -1 }, "Small.u16: -1 is no u16"],
    [[], "a list is no Small"],
    [7, "7 is no Small"],
  ]) {
    assert.throws(() => decode(body(value)), { name: "TypeMismatch", message: problem });
  }
  assert.deepEqual(decode(body({ i8: 1, u16: 2, later: 3, any: { deep: [1] } })), { i8: 1, u16: 2, any: { deep: [1] } });
  assert.throws(() => decode(body(undefined)), { name: "TypeMismatch" });
  assert.throws(() => decode(Buffer.from("{")), { name: "ProtocolError" });
  assert.throws(() => decode(bytes("22ff22")), { name: "ProtocolError" });
});

test("json: null is a number that is not finite", () => {
  const { decode } = json.codecs(schema())({ list: "f64" }, "x");
  assert.deepEqual(decode(body([1.5, null])), [1.5, NaN]);
});

test("json: an optional field may be null or absent", () => {
  const { decode, encode } = codec(json, "Inner");
  assert.deepEqual(decode(body({ n: 1, next: null })), { n: 1 });
  assert.deepEqual(decode(encode({ n: 1, next: undefined })), { n: 1 });
});

test("json: bytes are numbers or base64", () => {
  const { decode, encode } = json.codecs(schema())("bytes", "x");
  assert.deepEqual(JSON.parse(Buffer.from(encode(Uint8Array.of(1, 255))).toString()), [1, 255]);
  assert.deepEqual(decode(body([1, 255])), Uint8Array.of(1, 255));
  assert.deepEqual(decode(body("Af8=")), Uint8Array.of(1, 255));
  for (const wrong of [[256], ["1"], "§", 5, {}]) assert.throws(() => decode(body(wrong)), { name: "TypeMismatch" });
});

test("json: a map may have any key", () => {
  const { decode } = json.codecs(schema())({ map: ["string", "i32"] }, "x");
  const map = decode(Buffer.from('{"__proto__":1,"constructor":2}'));
  assert.deepEqual(Object.entries(map), [["__proto__", 1], ["constructor", 2]]);
  assert.equal({}.polluted, undefined);
});

test("json: enums travel as numbers, or as names if the schema says so", () => {
  assert.deepEqual(JSON.parse(Buffer.from(codec(json, "Modes").encode({ mode: "team" })).toString()), { mode: 1 });
  assert.deepEqual(JSON.parse(Buffer.from(codec(json, "Named").encode({ mode: "team" })).toString()), { mode: "team" });
});

test("maps with integers as keys", () => {
  for (const serializer of [json, protobuf]) {
    const { decode, encode } = codec(serializer, "Keys");
    assert.deepEqual({ ...decode(encode({ byId: { 7: "a", 8: "b" } })).byId }, { 7: "a", 8: "b" });
  }
  const { decode, encode } = codec(msgpack, "Keys");
  assert.deepEqual({ ...decode(bytes("81a462794964" + "8107a161")).byId }, { 7: "a" });
  assert.throws(() => encode({ byId: { 7: "a" } }), /integers as keys/);
});

test("absent fields that are optional have the first value of their type", () => {
  const nothing = {
    yes: false, small: 0, natural: 0, wide: "0n", huge: "0n", single: 0, double: 0, text: "", data: {}, list: [], names: [],
    map: {}, mode: "solo", inner: { n: 0 }, inners: [], digits: "0n", zigzag: 0, fixed: "0n", modes: [], octets: [],
  };
  for (const [serializer, empty] of [[json, "7b7d"], [msgpack, "80"], [protobuf, ""]]) {
    const { decode, encode } = codec(serializer, "All", "bigint");
    assert.deepEqual(plain(decode(bytes(empty))), nothing);
    assert.deepEqual(plain(decode(encode(decode(bytes(empty))))), nothing);
  }
  const unknown = bytes("f80f01" + "82100161");
  assert.deepEqual(plain(codec(protobuf, "All", "bigint").decode(unknown)), nothing);
});

test("protobuf: lists are read packed and unpacked", () => {
  const { decode } = codec(protobuf, "All");
  assert.deepEqual(decode(bytes("5201015001500352020405")).list, [1, 1, 3, 4, 5]);
});

test("protobuf: a cut message and a wrong wire type are errors", () => {
  const { decode } = codec(protobuf, "All");
  for (const wrong of ["42ff", "4202c3", "0d00000000", "7a7f", "52", "520501"]) assert.throws(() => decode(bytes(wrong)), Error, wrong);
});

test("protobuf: a body that is no message is refused when it is used", () => {
  const { encode, decode } = protobuf.codecs(schema())({ list: "i32" }, "room.room.list");
  assert.throws(() => encode([1]), /room.room.list has no Protobuf form/);
  assert.throws(() => decode(new Uint8Array(0)), /room.room.list has no Protobuf form/);
});

test("protobuf: a type without tags is refused with its name", () => {
  assert.throws(() => codec(protobuf, "Small").encode({ i8: 1, u16: 1 }), /Small.i8 has no Protobuf tag/);
});

forEachVector("error_payload", (vector) => {
  const { code, msg, metadata } = vector;
  const filled = ({ code: c = "", msg: m = "", metadata: d = {} }) => ({ code: c, msg: m, metadata: { ...d } });
  assert.deepEqual(filled(json.error(Buffer.from(vector.json))), { code, msg, metadata });
  assert.deepEqual(filled(protobuf.error(bytes(vector.protobuf_hex))), { code, msg, metadata });
});

test("msgpack: lists and maps that claim more than the body has are refused before they take memory", () => {
  const { encode, decode } = msgpack.codecs(schema())("any", "x");
  const huge = "dd01c9c380";
  for (const wrong of [huge.repeat(12), "9f" + huge, "df01c9c380", "82a161" + huge, "dc0005c0c0", "94a461616161", "c40180" + "dd000000ff"]) {
    assert.throws(() => decode(bytes(wrong)), Error, wrong);
  }
  const before = process.memoryUsage().rss;
  assert.throws(() => decode(bytes(huge.repeat(12))), { name: "ProtocolError" });
  assert.ok(process.memoryUsage().rss - before < 100e6);
  // Each kind of value, also with bytes in texts and data that look like large lists.
  const lists = Array.from({ length: 400 }, (_, i) => [i, -i - 1, i * 1e6, i / 3, `${i}`.repeat(i % 90), null, true, 1n << 60n, -(1n << 60n)]);
  const maps = Object.fromEntries(lists.map((list, i) => [`key ${i}`, { list, data: Uint8Array.from(Buffer.from(huge.repeat(i), "hex")) }]));
  assert.deepEqual(decode(encode(maps)), maps);
  assert.deepEqual(decode(encode(new Array(70_000).fill(0))).length, 70_000);
  for (const ext of ["d47f00", "d57f0000", "d67f" + "00".repeat(4), "d77f" + "00".repeat(8), "d87f" + "00".repeat(16), "c7017f00", "c800017f00", "c9000000017f00"]) {
    assert.equal(decode(bytes(`92${ext}05`))[1], 5, ext);
  }
});

test("protobuf: bytes as `Vec<u8>` also in options, lists and maps", () => {
  const octets = { list: "u8" };
  const S = { fields: {
    maybe: { type: { opt: octets }, optional: true, tag: 1 },
    many: { type: { list: octets }, optional: true, tag: 2 },
    byName: { type: { map: ["string", octets] }, optional: true, tag: 3 },
  } };
  const { encode, decode } = protobuf.codecs({ ...schema(), types: { S } })({ ref: "S" }, "S");
  const value = { maybe: [], many: [[1, 255], [], [3]], byName: { a: [7], b: [] } };
  assert.deepEqual(plain(decode(encode(value))), value);
  assert.equal(Buffer.from(encode({ maybe: [5], many: [[1]] })).toString("hex"), "0a0105" + "120101");
  assert.deepEqual(plain(decode(bytes(""))), { many: [], byName: {} });
  assert.throws(() => encode({ many: [[256]] }), { name: "TypeMismatch" });
});

test("an absent message has the first values of its fields, also of those that are required", () => {
  const types = {
    Pos: { fields: { x: { type: "i32", tag: 1 }, mode: { type: { ref: "Mode" }, tag: 2 }, next: { type: { opt: { ref: "Pos" } }, tag: 3 } } },
    Mode: { values: { solo: 0, team: 1 } },
    Move: { fields: { at: { type: { ref: "Pos" }, optional: true, tag: 1 } } },
  };
  for (const [serializer, empty] of [[json, "7b7d"], [msgpack, "80"], [protobuf, ""]]) {
    const { decode } = serializer.codecs({ ...schema(), types })({ ref: "Move" }, "Move");
    assert.deepEqual(plain(decode(bytes(empty))), { at: { x: 0, mode: "solo" } });
  }
  const { decode } = json.codecs({ ...schema(), types })({ ref: "Move" }, "Move");
  assert.throws(() => decode(body({ at: {} })), { message: "Pos.x: missing" });
});

test("maps with enums as keys have names in the program and what the server writes on the wire", () => {
  const typed = (serializer, name) => serializer.codecs(schema())({ map: [{ ref: name }, "i32"] }, "scores");
  const byNumber = typed(json, "Mode");
  assert.equal(Buffer.from(byNumber.encode({ team: 5, 9: 1 })).toString(), '{"1":5,"9":1}');
  assert.deepEqual({ ...byNumber.decode(body({ 1: 5, 9: 1 })) }, { team: 5, 9: 1 });
  assert.throws(() => byNumber.encode({ duo: 1 }), { name: "TypeMismatch" });
  assert.deepEqual({ ...typed(msgpack, "Mode").decode(bytes("810105")) }, { team: 5 });
  assert.throws(() => typed(msgpack, "Mode").encode({ team: 5 }), /integers as keys/);
  for (const serializer of [json, msgpack]) {
    const { encode, decode } = typed(serializer, "ByName");
    assert.deepEqual({ ...decode(encode({ team: 5 })) }, { team: 5 });
  }
});
