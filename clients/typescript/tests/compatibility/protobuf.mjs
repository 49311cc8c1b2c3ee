// How a server writes and reads Protobuf.

import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { bodyOf, fieldsOf, isEnum, isMessage, isUnion } from "./schemas.mjs";
import { defaultOf, fits, isDefault } from "./values.mjs";

const PROTO_TYPES = {
  bool: "bool", i32: "int32", i64: "int64", u32: "uint32", u64: "uint64", f32: "float", f64: "double", string: "string", bytes: "bytes",
  duration: "int64",
};
const FIXED32 = ["float", "fixed32", "sfixed32"];
const FIXED64 = ["double", "fixed64", "sfixed64"];
const LENGTHS = ["string", "bytes", "message"];

/** Protobuf. */
export const protobuf = {
  name: "protobuf",
  write(random, schema, type, value) {
    const writer = new BinaryWriter();
    writeMessage(schema, type, value, writer);
    return writer.finish();
  },
  read: (schema, type, bytes) => readMessage(schema, type, bytes),
};

/** The Protobuf type of one element. */
function elementOf(schema, type, encoding) {
  if (isMessage(schema, type) || isUnion(schema, type)) return "message";
  if (isEnum(schema, type)) return "int32";
  return encoding ?? PROTO_TYPES[type.text ?? type];
}

function wireOf(element) {
  if (LENGTHS.includes(element)) return WireType.LengthDelimited;
  if (FIXED32.includes(element)) return WireType.Bit32;
  return FIXED64.includes(element) ? WireType.Bit64 : WireType.Varint;
}

function writeMessage(schema, name, value, writer) {
  if (isUnion(schema, name)) return writeVariant(schema, name, value, writer);
  for (const { name: field, type, tag, encoding } of fieldsOf(schema, name)) {
    const whole = type.opt ?? type;
    const found = value[field];
    if (found === null || (type.opt === undefined && isDefault(schema, type, found))) continue;
    const one = (of, item) => writeOne(schema, of, elementOf(schema, of, encoding), item, writer);
    if (whole.map !== undefined) {
      for (const [key, item] of Object.entries(found)) {
        writer.tag(tag, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string(key);
        writer.tag(2, wireOf(elementOf(schema, whole.map[1], encoding)));
        one(whole.map[1], item);
        writer.join();
      }
    } else if (whole.list !== undefined) {
      const element = elementOf(schema, whole.list, encoding);
      if (wireOf(element) === WireType.LengthDelimited) {
        for (const item of found) {
          writer.tag(tag, WireType.LengthDelimited);
          one(whole.list, item);
        }
      } else {
        writer.tag(tag, WireType.LengthDelimited).fork();
        for (const item of found) one(whole.list, item);
        writer.join();
      }
    } else {
      writer.tag(tag, wireOf(elementOf(schema, whole, encoding)));
      one(whole, found);
    }
  }
}

/** A variant without a value is the empty message. */
function writeVariant(schema, name, { variant, value }, writer) {
  const found = schema.types[name].union.find((other) => other.name === variant);
  const body = bodyOf(found) ?? { fields: [] };
  const element = elementOf(schema, body);
  writer.tag(found.tag, wireOf(element));
  writeOne(schema, body, element, value, writer);
}

function writeOne(schema, type, element, value, writer) {
  if (element === "message") {
    writer.fork();
    writeMessage(schema, type, value, writer);
    writer.join();
  } else {
    writer[element](isEnum(schema, type) ? value.number : value);
  }
}

function readVariant(schema, name, bytes) {
  let value;
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [tag, wire] = reader.tag();
    const found = schema.types[name].union.find((other) => other.tag === tag);
    if (found === undefined) throw new TypeError(`${name}: an unknown variant`);
    const body = bodyOf(found) ?? { fields: [] };
    const element = elementOf(schema, body);
    if (wire !== wireOf(element)) throw new TypeError(`${name}: wrong wire type ${wire}`);
    const read = readOne(schema, body, element, reader);
    value = bodyOf(found) === undefined ? { variant: found.name } : { variant: found.name, value: read };
  }
  return value ?? defaultOf(schema, name);
}

function readMessage(schema, name, bytes) {
  if (isUnion(schema, name)) return readVariant(schema, name, bytes);
  const value = defaultOf(schema, name);
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [tag, wire] = reader.tag();
    const field = fieldsOf(schema, name).find((other) => other.tag === tag);
    if (field === undefined) reader.skip(wire, tag);
    else readField(schema, field, wire, reader, value);
  }
  return value;
}

function readField(schema, { name, type, encoding }, wire, reader, value) {
  const whole = type.opt ?? type;
  const expect = (element) => {
    if (wire !== wireOf(element)) throw new TypeError(`${name}: wrong wire type ${wire}`);
  };
  if (whole.map !== undefined) {
    expect("message");
    const entry = new BinaryReader(reader.bytes());
    let [key, item] = ["", defaultOf(schema, whole.map[1])];
    while (entry.pos < entry.len) {
      const [part, partWire] = entry.tag();
      const element = part === 1 ? "string" : elementOf(schema, whole.map[1], encoding);
      if (partWire !== wireOf(element)) throw new TypeError(`${name}: wrong wire type in a map`);
      if (part === 1) key = entry.string();
      else item = readOne(schema, whole.map[1], element, entry);
    }
    value[name][key] = item;
  } else if (whole.list !== undefined) {
    const element = elementOf(schema, whole.list, encoding);
    if (wire === WireType.LengthDelimited && wireOf(element) !== wire) {
      const packed = new BinaryReader(reader.bytes());
      while (packed.pos < packed.len) value[name].push(readOne(schema, whole.list, element, packed));
    } else {
      expect(element);
      value[name].push(readOne(schema, whole.list, element, reader));
    }
  } else {
    const element = elementOf(schema, whole, encoding);
    expect(element);
    value[name] = readOne(schema, whole, element, reader);
  }
}

function readOne(schema, type, element, reader) {
  if (element === "message") return readMessage(schema, type, reader.bytes());
  const value = reader[element]();
  if (isEnum(schema, type)) {
    const known = schema.types[type].enum.find(({ number }) => number === value);
    if (known === undefined) throw new TypeError(`${type}: an unknown value`);
    return known;
  }
  const scalar = type.text ?? type;
  if (!["i64", "u64", "duration"].includes(scalar)) return value;
  const wide = BigInt(value);
  if (!fits(scalar, wide)) throw new TypeError(`${type}: out of range`);
  return wide;
}
