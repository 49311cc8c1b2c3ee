// Unions, tuples, durations, and bodies that are no messages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { json } from "../dist/esm/json.js";
import { msgpack } from "../dist/esm/msgpack.js";
import { protobuf } from "../dist/esm/protobuf.js";
import { loadGenerated } from "./generated.mjs";
import { body, bytes, hex } from "./support.mjs";

const { Shapes_: Shapes } = await loadGenerated("shapes");
const codec = (serializer, type) => serializer.codecs(Shapes)(typeof type === "string" ? { ref: type } : type, "body");
const text = (bytes) => Buffer.from(bytes).toString();

const INPUTS = [
  { type: "Move", data: { x: 1, y: -2 } },
  { type: "Say", data: { text: "hi", after: -(2n ** 40n) } },
  { type: "Score", data: 7 },
  { type: "Stop" },
];

const SHAPES = [
  { kind: "circle", radius: 1.5 },
  { kind: "group", parts: [{ kind: "nothing" }, { kind: "group", parts: [] }] },
  { kind: "item", id: 5, parts: [{ id: 6, parts: [] }] },
  { kind: "nothing" },
];

for (const serializer of [json, msgpack, protobuf]) {
  test(`${serializer.name}: each variant survives`, () => {
    for (const input of INPUTS) {
      const { encode, decode } = codec(serializer, "Input");
      assert.deepEqual(decode(encode(input)), input);
    }
    const turn = { wait: 5n, input: INPUTS[1], rest: INPUTS };
    const { encode, decode } = codec(serializer, "Turn");
    assert.deepEqual(decode(encode(turn)), turn);
  });

  test(`${serializer.name}: an absent union is its first variant`, () => {
    const types = { T: { fields: { input: { type: { ref: "Input" }, optional: true, tag: 1 } } }, ...Shapes.types };
    const { decode } = serializer.codecs({ ...Shapes, types })({ ref: "T" }, "body");
    const empty = serializer === protobuf ? "" : serializer === json ? "7b7d" : "80";
    assert.deepEqual(decode(bytes(empty)), { input: { type: "Move", data: { x: 0, y: 0 } } });
  });

  test(`${serializer.name}: a variant of a newer server is kept, and can be sent back`, () => {
    const newer = { ...Shapes.types.Input, variants: { ...Shapes.types.Input.variants, Jump: { fields: { height: { type: "i32", tag: 1 } }, tag: 9 } } };
    const types = { ...Shapes.types, Input: newer };
    const server = serializer.codecs({ ...Shapes, types })({ ref: "Turn" }, "body");
    const turn = { wait: 1n, input: { type: "Jump", data: { height: 3 } }, rest: [{ type: "Stop" }, { type: "Jump", data: { height: 4 } }] };
    const client = codec(serializer, "Turn");
    const read = client.decode(server.encode(turn));
    assert.equal(read.input.type, undefined);
    assert.ok("$unknown" in read.input);
    assert.deepEqual(read.rest[0], { type: "Stop" });
    assert.deepEqual(server.decode(client.encode(read)), turn);
  });

  test(`${serializer.name}: a value that is no variant is refused before it is sent`, () => {
    const { encode } = codec(serializer, "Input");
    for (const wrong of [{}, { type: "Jump" }, { type: "constructor" }, { type: 1 }, { type: "Move" }, { type: "Score", data: "x" }, { type: "Score", data: null }, [], "Stop", { $unknown: 5 }, { type: "Jump", $unknown: new Uint8Array(0) }]) {
      assert.throws(() => encode(wrong), { name: "TypeMismatch" }, JSON.stringify(wrong));
    }
  });
}

for (const serializer of [json, msgpack]) {
  test(`${serializer.name}: fields beside the key, tuples and nested unions survive`, () => {
    const { encode, decode } = codec(serializer, "Shape");
    for (const shape of SHAPES) assert.deepEqual(decode(encode(shape)), shape);
    const draw = codec(serializer, "Shapes");
    const value = { pair: ["a", 1], wait: 5n, path: [[0.5, 2, undefined], [3, 4, "Team"]], shape: SHAPES[1], input: INPUTS[1] };
    assert.deepEqual(draw.decode(draw.encode(value)), value);
  });

  test(`${serializer.name}: a list of another length is no tuple`, () => {
    const { encode, decode } = codec(serializer, { tuple: ["string", "i32"] });
    for (const wrong of [["a"], ["a", 1, 2], "a1", { 0: "a", 1: 1 }, [1, "a"]]) assert.throws(() => encode(wrong), { name: "TypeMismatch" });
    assert.throws(() => decode(serializer === json ? body(["a"]) : bytes("91a161")), { message: "body: a list is no list of 2" });
  });

  test(`${serializer.name}: bodies may be lists, options and any value`, () => {
    const list = codec(serializer, { list: { ref: "Shape" } });
    assert.deepEqual(list.decode(list.encode(SHAPES)), SHAPES);
    const option = codec(serializer, { opt: { ref: "Joined" } });
    assert.deepEqual(option.decode(option.encode({ members: ["a"] })), { members: ["a"] });
    assert.equal(option.decode(option.encode(undefined)), undefined);
    const any = serializer.codecs(Shapes)("any", "body");
    for (const value of [null, "a", 1, [1, { a: true }], {}]) assert.deepEqual(any.decode(any.encode(value)), value);
    assert.equal(any.encode(undefined).length, 0, "a call without a message");
  });

  test(`${serializer.name}: a broken union from the server is an error`, () => {
    const { decode } = codec(serializer, "Shape");
    const write = (value) => serializer.codecs(Shapes)("any", "body").encode(value);
    for (const wrong of [5, [], {}, { kind: 1 }, { kind: "circle" }, { kind: "circle", radius: "x" }, { kind: "group", parts: [1] }]) {
      assert.throws(() => decode(write(wrong)), { name: "TypeMismatch" }, JSON.stringify(wrong));
    }
  });
}

test("json: the text is that of the schema", () => {
  assert.equal(text(codec(json, "Input").encode(INPUTS[0])), '{"type":"Move","data":{"x":1,"y":-2}}');
  assert.equal(text(codec(json, "Input").encode(INPUTS[3])), '{"type":"Stop"}');
  assert.equal(text(codec(json, "Shape").encode(SHAPES[0])), '{"kind":"circle","radius":1.5}');
  assert.equal(text(codec(json, { opt: "string" }).encode(undefined)), "null");
  assert.equal(text(codec(json, { tuple: ["string", { opt: "i32" }] }).encode(["a", undefined])), '["a",null]');
});

test("json: the value of a newer server is as it came", () => {
  const value = { kind: "star", points: [1, 2] };
  assert.deepEqual(codec(json, "Shape").decode(body(value)), { $unknown: value });
  assert.deepEqual(text(codec(json, "Shape").encode({ $unknown: value })), JSON.stringify(value));
});

test("protobuf: a union is a message with a oneof", () => {
  const { encode, decode } = codec(protobuf, "Input");
  assert.equal(hex(encode(INPUTS[0])), "0a0d0801" + "10feffffffffffffffff01");
  assert.equal(hex(encode({ type: "Say", data: { text: "a", after: 1n } })), "12050a0161" + "1001");
  assert.equal(hex(encode({ type: "Score", data: 0 })), "1800");
  assert.equal(hex(encode(INPUTS[3])), "2a00");
  // The last member wins.
  assert.deepEqual(decode(bytes("18052a00")), { type: "Stop" });
  for (const cut of ["0a", "0a05", "18", "2a01"]) assert.throws(() => decode(bytes(cut)), Error, cut);
});

test("protobuf: tuples and lists as bodies have no form", () => {
  assert.throws(() => codec(protobuf, "Shapes").encode({}), /no Protobuf/);
  assert.throws(() => codec(protobuf, { list: { ref: "Input" } }).encode([]), /no Protobuf form/);
});
