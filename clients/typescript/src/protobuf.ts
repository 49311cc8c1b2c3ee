/**
 * Protobuf, over the reader and the writer of `@bufbuild/protobuf`. The schema says the tags, so no `.proto` is needed.
 *
 * @packageDocumentation
 */

import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { ProtocolError, TypeMismatch } from "./error.js";
import { exact, isSmallInt, show, smallInt, wideInt } from "./number.js";
import type { Codec, ErrorPayload, Serializer } from "./serializer.js";
import { EMPTY, RAW } from "./serializer.js";
import { enumNumber } from "./tree.js";
import type { Field, Fields, Named, Schema, Type, Union } from "./types.js";

/** How a value that is no list and no map is written, and read. */
interface Scalar {
  readonly wireType: WireType;
  /** The value of an absent field. */
  initial(): unknown;
  /** Whether the value is the one of an absent field. */
  isInitial(value: unknown): boolean;
  write(writer: BinaryWriter, value: unknown): void;
  read(reader: BinaryReader): unknown;
}

/** A field, ready to use. */
interface Slot {
  readonly key: string;
  readonly tag: number;
  /** The value if the field is absent; nothing is set if it is `undefined`. */
  initial(): unknown;
  write(writer: BinaryWriter, value: unknown): void;
  /** Returns the value of the field, given the one that it has. */
  read(reader: BinaryReader, wireType: WireType, before: unknown): unknown;
}

/** A message. */
interface Shape {
  write(writer: BinaryWriter, value: unknown): void;
  read(reader: BinaryReader, end: number): Record<string, unknown>;
}

/** Protobuf. Only messages with `#[message(proto)]` have this form. */
export const protobuf: Serializer = {
  name: "protobuf",
  codecs(schema) {
    const shapes = new Shapes(schema);
    return (type, at) => {
      if (type === undefined) return EMPTY;
      if (type === "raw") return RAW;
      return shapes.codec(type, at);
    };
  },
  error(bytes) {
    return ERRORS.shape("Error").read(new BinaryReader(bytes), bytes.length) as ErrorPayload;
  },
};

class Shapes {
  private readonly made = new Map<string, Shape>();

  constructor(private readonly schema: Schema) {}

  codec(type: Type, at: string): Codec {
    let shape: Shape | undefined;
    // At the first use, because a schema may also have types without a Protobuf form.
    const get = () => {
      if (typeof type !== "object" || !("ref" in type)) {
        throw new TypeMismatch(`${at} has no Protobuf form: it needs a message of the schema`);
      }
      return (shape ??= this.shape(type.ref));
    };
    return {
      encode(value) {
        const writer = new BinaryWriter();
        get().write(writer, value);
        return writer.finish();
      },
      decode: (bytes) => get().read(new BinaryReader(bytes), bytes.length),
    };
  }

  shape(name: string): Shape {
    const before = this.made.get(name);
    if (before !== undefined) return before;
    const named = this.named(name);
    if ("values" in named) throw new TypeMismatch(`${name} is no message`);
    const shape = "variants" in named ? this.union(named, name) : this.fields(named.fields, name);
    this.made.set(name, shape);
    return shape;
  }

  private fields(fields: Fields["fields"], name: string): Shape {
    return fieldsShape(name, Object.entries(fields).map(([key, field]) => this.slot(key, field, `${name}.${key}`)));
  }

  private union(union: Union, name: string): Shape {
    const slots = Object.entries(union.variants).map(([variant, { fields, message, tag }]) => {
      const at = `${name}.${variant}`;
      if (tag === undefined) throw new TypeMismatch(`${at} has no Protobuf tag`);
      const scalar = message ? this.scalar(message, {}, at) : nested(() => this.fields(fields ?? {}, at), at);
      return { ...single(variant, tag, scalar, true), initial: scalar.initial };
    });
    return unionShape(union, name, slots);
  }

  private named(name: string): Named {
    const named = this.schema.types[name];
    if (named === undefined) throw new TypeMismatch(`the schema has no type ${name}`);
    return named;
  }

  private slot(key: string, field: Field, at: string): Slot {
    const { tag, type } = field;
    if (tag === undefined) throw new TypeMismatch(`${at} has no Protobuf tag`);
    if (typeof type === "object") {
      if ("opt" in type) return single(key, tag, this.scalar(type.opt, field, at), true);
      if ("list" in type && type.list !== "u8") return repeated(key, tag, this.scalar(type.list, field, at), at);
      if ("map" in type) {
        const [keyType, valueType] = type.map;
        return map(key, tag, this.scalar(keyType, {}, at), this.scalar(valueType, {}, at), at);
      }
    }
    return single(key, tag, this.scalar(type, field, at), false);
  }

  private scalar(type: Type, field: Pick<Field, "wire">, at: string): Scalar {
    if (typeof type === "object") {
      if ("text" in type) return this.wide(type.text, field.wire ?? VARINTS[type.text], at);
      if ("ref" in type) {
        const named = this.named(type.ref);
        return "values" in named ? enumeration(named.values, type.ref, at) : nested(() => this.shape(type.ref), type.ref);
      }
      if ("list" in type && type.list === "u8") return byteList(at);
      throw new TypeMismatch(`${at} has no Protobuf form`);
    }
    if (type === "i64" || type === "u64") return this.wide(type, field.wire ?? VARINTS[type], at);
    if (type === "i32" || type === "u32") return small(type, field.wire ?? VARINTS[type], at);
    switch (type) {
      case "bool":
        return plain(WireType.Varint, "bool", false, (value) => typeof value === "boolean", at);
      case "string":
        return plain(WireType.LengthDelimited, "string", "", (value) => typeof value === "string", at);
      case "f32":
        return plain(WireType.Bit32, "float", 0, (value) => typeof value === "number", at);
      case "f64":
        return plain(WireType.Bit64, "double", 0, (value) => typeof value === "number", at);
      case "bytes":
        return {
          ...plain(WireType.LengthDelimited, "bytes", undefined, (value) => value instanceof Uint8Array, at),
          initial: () => new Uint8Array(0),
          isInitial: (value) => value instanceof Uint8Array && value.length === 0,
        };
      default:
        throw new TypeMismatch(`${at}: ${isSmallInt(type) ? type : "any"} has no Protobuf form`);
    }
  }

  private wide(type: "i64" | "u64", method: string, at: string): Scalar {
    const bigint = this.schema.int64 === "bigint";
    const convert = (value: unknown) => (bigint ? wideInt(type, value, at) : exact(wideInt(type, value, at), at));
    return {
      wireType: method.includes("fixed") ? WireType.Bit64 : WireType.Varint,
      initial: () => convert(0),
      isInitial: (value) => value === 0 || value === BigInt(0),
      write: (writer, value) => void (writer as any)[method](wideInt(type, value, at)),
      read: (reader) => convert(BigInt((reader as any)[method]())),
    };
  }
}

/** A message in a message. It may contain itself, so its shape is made when it is first needed. */
function nested(make: () => Shape, name: string): Scalar {
  let shape: Shape | undefined;
  const get = () => (shape ??= make());
  return {
    wireType: WireType.LengthDelimited,
    initial: () => get().read(new BinaryReader(new Uint8Array(0)), 0),
    isInitial: () => false,
    write(writer, value) {
      writer.fork();
      get().write(writer, value);
      writer.join();
    },
    read(reader) {
      const length = reader.uint32();
      const end = reader.pos + length;
      if (end > reader.len) throw new ProtocolError(`${name} is cut`);
      return get().read(reader, end);
    },
  };
}

const VARINTS = { i32: "int32", u32: "uint32", i64: "int64", u64: "uint64" } as const;

function plain(wireType: WireType, method: string, initial: unknown, test: (value: unknown) => boolean, at: string): Scalar {
  return {
    wireType,
    initial: () => initial,
    isInitial: (value) => Object.is(value, initial),
    write(writer, value) {
      if (!test(value)) throw new TypeMismatch(`${at}: ${show(value)} is no ${method}`);
      (writer as any)[method](value);
    },
    read: (reader) => (reader as any)[method](),
  };
}

function small(type: "i32" | "u32", method: string, at: string): Scalar {
  return {
    wireType: method.includes("fixed") ? WireType.Bit32 : WireType.Varint,
    initial: () => 0,
    isInitial: (value) => value === 0,
    write: (writer, value) => void (writer as any)[method](smallInt(type, value, at)),
    read: (reader) => (reader as any)[method](),
  };
}

function enumeration(values: Readonly<Record<string, number>>, name: string, at: string): Scalar {
  const names = new Map(Object.entries(values).map(([label, number]) => [number, label]));
  const label = (number: number) => names.get(number) ?? String(number);
  const number = (value: unknown) => smallInt("i32", enumNumber(values, name, value), at);
  return {
    wireType: WireType.Varint,
    initial: () => label(0),
    isInitial: (value) => number(value) === 0,
    write: (writer, value) => void writer.int32(number(value)),
    read: (reader) => label(reader.int32()),
  };
}

function single(key: string, tag: number, scalar: Scalar, optional: boolean): Slot {
  return {
    key,
    tag,
    initial: optional ? () => undefined : scalar.initial,
    write(writer, value) {
      if (value === undefined || (optional ? value === null : scalar.isInitial(value))) return;
      writer.tag(tag, scalar.wireType);
      scalar.write(writer, value);
    },
    read: (reader, wireType) => {
      expect(key, scalar.wireType, wireType);
      return scalar.read(reader);
    },
  };
}

function repeated(key: string, tag: number, scalar: Scalar, at: string): Slot {
  const packs = scalar.wireType !== WireType.LengthDelimited;
  return {
    key,
    tag,
    initial: () => [],
    write(writer, value) {
      const list = need<unknown[]>(value ?? [], Array.isArray, "list", at);
      if (list.length === 0) return;
      if (packs) writer.tag(tag, WireType.LengthDelimited).fork();
      for (const item of list) {
        if (!packs) writer.tag(tag, scalar.wireType);
        scalar.write(writer, item);
      }
      if (packs) writer.join();
    },
    // Packed or not: a reader accepts both.
    read(reader, wireType, before) {
      const list = (before ?? []) as unknown[];
      if (packs && wireType === WireType.LengthDelimited) {
        const length = reader.uint32();
        const end = reader.pos + length;
        if (end > reader.len) throw new ProtocolError(`${at} is cut`);
        while (reader.pos < end) list.push(scalar.read(reader));
      } else {
        expect(key, scalar.wireType, wireType);
        list.push(scalar.read(reader));
      }
      return list;
    },
  };
}

/** `Vec<u8>` is bytes in Protobuf. */
function byteList(at: string): Scalar {
  return {
    wireType: WireType.LengthDelimited,
    initial: () => [],
    isInitial: (value) => Array.isArray(value) && value.length === 0,
    write(writer, value) {
      const list = need<unknown[]>(value, Array.isArray, "list", at);
      writer.bytes(Uint8Array.from(list, (byte) => smallInt("u8", byte, at)));
    },
    read: (reader) => Array.from(reader.bytes()),
  };
}

function map(key: string, tag: number, keys: Scalar, values: Scalar, at: string): Slot {
  const entry = fieldsShape(`${at}[]`, [single("key", 1, keys, false), single("value", 2, values, false)]);
  const numeric = typeof keys.initial() !== "string" && keys.initial() !== false;
  return {
    key,
    tag,
    initial: () => Object.create(null),
    write(writer, value) {
      const object = need<Record<string, unknown>>(value ?? {}, isObject, "map", at);
      for (const name of Object.keys(object)) {
        const typed = keys.initial() === false ? name === "true" : numeric ? integer(name, at) : name;
        writer.tag(tag, WireType.LengthDelimited).fork();
        entry.write(writer, { key: typed, value: object[name] });
        writer.join();
      }
    },
    read(reader, wireType, before) {
      expect(key, WireType.LengthDelimited, wireType);
      const length = reader.uint32();
      const end = reader.pos + length;
      if (end > reader.len) throw new ProtocolError(`${at} is cut`);
      const found = entry.read(reader, end);
      const out = (before ?? Object.create(null)) as Record<string, unknown>;
      out[String(found["key"])] = found["value"];
      return out;
    },
  };
}

function integer(text: string, at: string): bigint {
  if (!/^-?\d{1,20}$/.test(text)) throw new TypeMismatch(`${at}: the key ${show(text)} is no integer`);
  return BigInt(text);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function need<T>(value: unknown, test: (value: unknown) => boolean, what: string, at: string): T {
  if (!test(value)) throw new TypeMismatch(`${at}: ${show(value)} is no ${what}`);
  return value as T;
}

function expect(key: string, wanted: WireType, found: WireType): void {
  if (wanted !== found) throw new ProtocolError(`${key}: wire type ${found} instead of ${wanted}`);
}

function fieldsShape(name: string, slots: readonly Slot[]): Shape {
  const byTag = new Map(slots.map((slot) => [slot.tag, slot]));
  return {
    write(writer, value) {
      const object = need<Record<string, unknown>>(value, isObject, name, name);
      for (const slot of slots) slot.write(writer, object[slot.key]);
    },
    read(reader, end) {
      const out: Record<string, unknown> = {};
      for (const slot of slots) {
        const initial = slot.initial();
        if (initial !== undefined) out[slot.key] = initial;
      }
      while (reader.pos < end) {
        const [tag, wireType] = reader.tag();
        const slot = byTag.get(tag);
        if (slot === undefined) reader.skip(wireType, tag);
        else out[slot.key] = slot.read(reader, wireType, out[slot.key]);
      }
      if (reader.pos !== end) throw new ProtocolError(`${name} is cut`);
      return out;
    },
  };
}

/** A union is a message with a `oneof`: each variant is a slot. */
function unionShape({ key, content, variants }: Union, name: string, slots: readonly Slot[]): Shape {
  const byTag = new Map(slots.map((slot) => [slot.tag, slot]));
  const byName = new Map<unknown, Slot>(slots.map((slot) => [slot.key, slot]));
  const isUnit = ({ key: variant }: Slot) => variants[variant]?.fields === undefined && variants[variant]?.message === undefined;
  const made = (slot: Slot, value: unknown): Record<string, unknown> => {
    if (content === undefined) return { [key]: slot.key, ...(value as object) };
    return isUnit(slot) ? { [key]: slot.key } : { [key]: slot.key, [content]: value };
  };
  return {
    write(writer, value) {
      const object = need<Record<string, unknown>>(value, isObject, name, name);
      const slot = byName.get(object[key]);
      const unknown = object["$unknown"];
      if (slot !== undefined) {
        const inner = isUnit(slot) ? {} : content === undefined ? object : object[content];
        slot.write(writer, need(inner, (it) => it !== undefined && it !== null, "value", `${name}.${slot.key}`));
      } else if (object[key] === undefined && unknown instanceof Uint8Array) {
        writer.raw(unknown);
      } else {
        throw new TypeMismatch(`${name}.${key}: ${show(object[key])} is no variant`);
      }
    },
    read(reader, end) {
      let found: Record<string, unknown> | undefined;
      const unknown = new BinaryWriter();
      while (reader.pos < end) {
        const [tag, wireType] = reader.tag();
        const slot = byTag.get(tag);
        if (slot === undefined) unknown.tag(tag, wireType).raw(reader.skip(wireType, tag));
        else found = made(slot, slot.read(reader, wireType, undefined));
      }
      if (reader.pos !== end) throw new ProtocolError(`${name} is cut`);
      if (found !== undefined) return found;
      const bytes = unknown.finish();
      return bytes.length > 0 ? { $unknown: bytes } : made(slots[0]!, slots[0]!.initial());
    },
  };
}

const ERRORS = new Shapes({
  name: "",
  hash: "",
  routes: {},
  pushes: {},
  types: {
    Error: {
      fields: {
        code: { type: "string", tag: 1 },
        msg: { type: "string", tag: 2 },
        metadata: { type: { map: ["string", "string"] }, tag: 3 },
      },
    },
  },
});
