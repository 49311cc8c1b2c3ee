// Random values of a schema, and what a reader with another schema makes of them.
//
// A value of an enum is its definition, an integer of 64 bits a bigint, a missing optional value null, and a message an
// object with all its fields. A value of a union is `{ variant, value }`, where `value` is absent if the variant has none;
// `def` is its union.

import { bodyOf, fieldsOf, isEnum, isMessage, isUnion } from "./schemas.mjs";

/** A part that is not compared, because it is of the type `any` on one side. */
export const ANYTHING = Symbol("anything");

/** A variant that the client does not know. */
const UNKNOWN = Symbol("unknown");

const RANGES = {
  i8: [-128, 127],
  i16: [-32768, 32767],
  i32: [-(2 ** 31), 2 ** 31 - 1],
  u8: [0, 255],
  u16: [0, 65535],
  u32: [0, 2 ** 32 - 1],
  i64: [-(2n ** 63n), 2n ** 63n - 1n],
  u64: [0n, 2n ** 64n - 1n],
  duration: [-(2n ** 63n), 2n ** 63n - 1n],
};
/** JSON has numbers, which hold no larger integers. */
const SAFE = { u64: [0n, 2n ** 53n - 1n], i64: [-(2n ** 53n) + 1n, 2n ** 53n - 1n] };
SAFE.duration = SAFE.i64;

/** Returns whether a number is in the range of an integer type. */
export const fits = (type, number) => number >= RANGES[type][0] && number <= RANGES[type][1];

/** Returns a random value: often an extreme, or the default. */
export function randomValue(random, schema, type, json) {
  const inner = (of) => randomValue(random, schema, of, json);
  const some = (make) => Array.from({ length: random.below(3) }, make);
  if (type.opt !== undefined) return random.chance(0.3) ? null : inner(type.opt);
  if (type.list !== undefined) return some(() => inner(type.list));
  if (type.map !== undefined) return Object.fromEntries(some((_, at) => [`key${at}`, inner(type.map[1])]));
  if (type.tuple !== undefined) return type.tuple.map(inner);
  if (isUnion(schema, type)) return valueOf(random.pick(schema.types[type].union), inner);
  if (type.text !== undefined) return random.pick([...RANGES[type.text], 0n]);
  if (isEnum(schema, type)) return random.pick(schema.types[type].enum);
  if (isMessage(schema, type)) {
    return Object.fromEntries(fieldsOf(schema, type).map(({ name, type: of }) => [name, inner(of)]));
  }
  switch (type) {
    case "bool":
      return random.chance(0.5);
    case "f32":
      return random.pick([1.5, -0.25, 0]);
    case "f64":
      return random.pick([1e300, -0.1, 0]);
    case "string":
      return random.pick(["text", "é🐉", ""]);
    case "bytes":
      return random.pick([Uint8Array.of(0, 255), new Uint8Array(0)]);
    case "any":
      return random.pick([null, "text", { k: [1, true] }]);
    default: {
      const range = (json && SAFE[type]) || RANGES[type];
      return random.pick([...range, typeof range[0] === "bigint" ? 0n : 0]);
    }
  }
}

function valueOf(variant, make) {
  const body = bodyOf(variant);
  return body === undefined ? { variant: variant.name } : { variant: variant.name, value: make(body) };
}

/** Returns the value of an absent field. */
export function defaultOf(schema, type) {
  if (type.opt !== undefined || type === "any") return null;
  if (type.list !== undefined) return [];
  if (type.map !== undefined) return {};
  if (type.tuple !== undefined) return type.tuple.map((of) => defaultOf(schema, of));
  if (isUnion(schema, type)) {
    const def = schema.types[type];
    return { ...valueOf(def.union[0], (of) => defaultOf(schema, of)), def };
  }
  if (type.text !== undefined || type === "i64" || type === "u64" || type === "duration") return 0n;
  if (isEnum(schema, type)) return schema.types[type].enum[0];
  if (isMessage(schema, type)) {
    return Object.fromEntries(fieldsOf(schema, type).map(({ name, type: of }) => [name, defaultOf(schema, of)]));
  }
  return { bool: false, string: "", bytes: new Uint8Array(0) }[type] ?? 0;
}

/** Returns whether a value is that of an absent field. */
export function isDefault(schema, type, value) {
  if (type.opt !== undefined) return value === null;
  if (isMessage(schema, type) || isUnion(schema, type) || type.tuple !== undefined) return false;
  const absent = defaultOf(schema, type);
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  if (type.map !== undefined) return Object.keys(value).length === 0;
  return value === absent;
}

/**
 * Returns the value that a reader should have of a value of a writer. Both are schemas; `proto` tells whether the value
 * travels in Protobuf, where enums are numbers.
 */
export function seenAs(way, type, from, value) {
  const { reader, writer, proto } = way;
  if (type === "any" || from === "any") return ANYTHING;
  if (from.opt !== undefined && value === null) return defaultOf(reader, type);
  const source = from.opt ?? from;
  if (type.opt !== undefined) {
    // A default may be left out, and a reader of an optional field then has none.
    const seen = seenAs(way, type.opt, source, value);
    return from.opt === undefined && isDefault(writer, source, value) ? { orNone: seen } : seen;
  }
  if (type.list !== undefined) return value.map((item) => seenAs(way, type.list, source.list, item));
  if (type.map !== undefined) {
    const entries = Object.entries(value);
    return Object.fromEntries(entries.map(([key, item]) => [key, seenAs(way, type.map[1], source.map[1], item)]));
  }
  if (type.tuple !== undefined) return value.map((item, at) => seenAs(way, type.tuple[at], source.tuple[at], item));
  if (isUnion(reader, type)) return variantSeenAs(way, reader.types[type], writer.types[source].union, value);
  if (isEnum(reader, type)) {
    const { repr, enum: values } = reader.types[type];
    if (repr === "name" && !proto) return { name: value.name };
    return values.find(({ number }) => number === value.number) ?? { name: String(value.number) };
  }
  if (!isMessage(reader, type)) return value;
  const fields = fieldsOf(writer, source);
  return Object.fromEntries(
    fieldsOf(reader, type).map((field) => {
      const sent = fields.find(({ name }) => name === field.name);
      const seen = sent ? seenAs(way, field.type, sent.type, value[sent.name]) : defaultOf(reader, field.type);
      return [field.name, seen];
    }),
  );
}

function variantSeenAs(way, def, variants, { variant, value }) {
  const sent = variants.find(({ name }) => name === variant);
  const known = def.union.find(({ name, tag }) => (way.proto ? tag === sent.tag : name === variant));
  if (known === undefined) return UNKNOWN;
  // A variant without a value is a message without fields.
  const seen = valueOf(known, (body) => seenAs(way, body, bodyOf(sent) ?? { fields: [] }, value ?? {}));
  return { ...seen, def };
}

/** Returns a value as programs of the generated client have it. */
export function ofClient(schema, type, value) {
  if (type.opt !== undefined) return value === null ? undefined : ofClient(schema, type.opt, value);
  if (type.list !== undefined) return value.map((item) => ofClient(schema, type.list, item));
  const each = (entries) => Object.fromEntries(entries.map(([key, of]) => [key, ofClient(schema, of, value[key])]));
  if (type.map !== undefined) return each(Object.keys(value).map((key) => [key, type.map[1]]));
  if (isEnum(schema, type)) return value.name;
  if (type.tuple !== undefined) return value.map((item, at) => ofClient(schema, type.tuple[at], item));
  if (isUnion(schema, type)) {
    const { key, content, union } = schema.types[type];
    const body = bodyOf(union.find(({ name }) => name === value.variant));
    const inner = body && ofClient(schema, body, value.value);
    return { [key]: value.variant, ...(content === undefined ? inner : body && { [content]: inner }) };
  }
  if (isMessage(schema, type)) return each(fieldsOf(schema, type).map(({ name, type: of }) => [name, of]));
  return value;
}

/** Integers of different sizes are equal, which `==` compares exactly. */
function equal(one, other) {
  const isNumber = (value) => typeof value === "number" || typeof value === "bigint";
  return one === other || (isNumber(one) && isNumber(other) && one == other);
}

/** Returns where a value differs from what is expected; `undefined` if nowhere. */
export function difference(expected, found, at = "T") {
  if (expected === ANYTHING) return undefined;
  if (expected?.orNone !== undefined) return found === undefined || found === null ? undefined : difference(expected.orNone, found, at);
  const show = (value) => JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}n` : part));
  const differs = () => `${at}: ${show(expected)} became ${show(found)}`;
  if (expected === null) return found === null || found === undefined ? undefined : differs();
  // An enum: a client has its name, a server its definition.
  if (typeof expected.name === "string") return expected.name === (found?.name ?? found) ? undefined : differs();
  if (expected === UNKNOWN) return found?.$unknown === undefined ? `${at}: an unknown variant became ${show(found)}` : undefined;
  if (typeof expected.variant === "string") {
    const [name, value] = found?.variant ? [found.variant, found.value] : partsOf(expected.def, found);
    if (expected.variant !== name) return differs();
    return expected.value === undefined ? undefined : difference(expected.value, value, `${at}.${name}`);
  }
  if (typeof expected !== "object") return equal(expected, found) ? undefined : differs();
  if (typeof found !== "object" || found === null) return differs();
  if (Array.isArray(expected) || expected instanceof Uint8Array) {
    if (expected.length !== found.length) return differs();
  } else {
    const [one, other] = [expected, found].map((value) => Object.keys(value).filter((key) => value[key] !== undefined));
    const surplus = other.find((key) => !one.includes(key));
    if (surplus !== undefined) return `${at}.${surplus}: not expected`;
  }
  for (const key of Object.keys(expected)) {
    const found_ = difference(expected[key], found[key], `${at}.${key}`);
    if (found_ !== undefined) return found_;
  }
  return undefined;
}

/** Returns the name and the value of a union as the client has it. */
function partsOf({ key, content }, found) {
  const { [key]: name, ...value } = found ?? {};
  return [name, content === undefined ? value : value[content]];
}
