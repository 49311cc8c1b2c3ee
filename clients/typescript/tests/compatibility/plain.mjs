// How a server writes and reads JSON and MessagePack.

import { decode, encode } from "@msgpack/msgpack";
import { bodyOf, fieldsOf, isEnum, isMessage, isUnion } from "./schemas.mjs";
import { defaultOf, fits, isDefault } from "./values.mjs";

/** JSON or MessagePack. */
export const plain = (name) => ({
  name,
  write(random, schema, type, value) {
    const tree = treeOf(random, schema, type, value, name === "json");
    return name === "json" ? Buffer.from(JSON.stringify(tree)) : encode(tree, { useBigInt64: true });
  },
  read(schema, type, bytes) {
    const tree = name === "json" ? JSON.parse(Buffer.from(bytes).toString()) : decode(bytes, { useBigInt64: true });
    return valueOf(schema, type, tree, "T");
  },
});

function treeOf(random, schema, type, value, json) {
  const inner = (of, item) => treeOf(random, schema, of, item, json);
  if (type.opt !== undefined) return value === null ? null : inner(type.opt, value);
  if (type.list !== undefined) return value.map((item) => inner(type.list, item));
  if (type.map !== undefined) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inner(type.map[1], item)]));
  }
  if (type.tuple !== undefined) return value.map((item, at) => inner(type.tuple[at], item));
  if (isUnion(schema, type)) {
    const { key, content, union } = schema.types[type];
    const body = bodyOf(union.find(({ name }) => name === value.variant));
    const tree = body && inner(body, value.value);
    return { [key]: value.variant, ...(content === undefined ? tree : body && { [content]: tree }) };
  }
  if (type.text !== undefined) return String(value);
  if (isEnum(schema, type)) return schema.types[type].repr === "name" ? value.name : value.number;
  if (isMessage(schema, type)) {
    const fields = fieldsOf(schema, type);
    const { proto } = schema.types.T;
    // A message with a Protobuf form leaves defaults out; another one may.
    const left = ({ type: of, required, name }) =>
      !required && isDefault(schema, of, value[name]) && (proto || random.chance(0.5));
    return Object.fromEntries(fields.filter((field) => !left(field)).map(({ name, type: of }) => [name, inner(of, value[name])]));
  }
  if (json && type === "bytes") return [...value];
  if (json && typeof value === "bigint") return Number(value);
  return value;
}

function valueOf(schema, type, tree, at) {
  const refuse = (what) => {
    throw new TypeError(`${at}: ${what}`);
  };
  const inner = (of, item, key) => valueOf(schema, of, item, `${at}.${key}`);
  if (type.opt !== undefined) return tree === null ? null : valueOf(schema, type.opt, tree, at);
  if (type.list !== undefined) {
    if (tree instanceof Uint8Array) return [...tree].map((item, key) => inner(type.list, item, key));
    return Array.isArray(tree) ? tree.map((item, key) => inner(type.list, item, key)) : refuse("no list");
  }
  const isObject = typeof tree === "object" && tree !== null && !Array.isArray(tree) && !(tree instanceof Uint8Array);
  if (type.map !== undefined) {
    if (!isObject) refuse("no map");
    return Object.fromEntries(Object.entries(tree).map(([key, item]) => [key, inner(type.map[1], item, key)]));
  }
  if (type.tuple !== undefined) {
    const isTuple = Array.isArray(tree) && tree.length === type.tuple.length;
    return isTuple ? tree.map((item, at) => inner(type.tuple[at], item, at)) : refuse("no tuple");
  }
  if (isUnion(schema, type)) {
    if (!isObject) refuse("no object");
    const { key, content, union } = schema.types[type];
    const known = union.find(({ name }) => name === tree[key]) ?? refuse("an unknown variant");
    const body = bodyOf(known);
    if (body === undefined) return content !== undefined && content in tree ? refuse("a value") : { variant: known.name };
    const value = content === undefined ? tree : tree[content];
    return { variant: known.name, value: value === undefined ? refuse(`${content} is missing`) : inner(body, value, known.name) };
  }
  if (type.text !== undefined) {
    const isText = typeof tree === "string" && /^-?\d+$/.test(tree);
    return valueOf(schema, type.text, isText ? BigInt(tree) : tree, at);
  }
  if (isEnum(schema, type)) {
    const { repr, enum: values } = schema.types[type];
    const known = values.find(({ name, number }) => (repr === "name" ? name === tree : number === Number(tree)));
    return (typeof tree === "string") === (repr === "name") && known ? known : refuse("an unknown value");
  }
  if (isMessage(schema, type)) {
    if (!isObject) refuse("no object");
    const read = ({ name, type: of, required }) => {
      if (tree[name] !== undefined) return inner(of, tree[name], name);
      return required ? refuse(`${name} is missing`) : defaultOf(schema, of);
    };
    return Object.fromEntries(fieldsOf(schema, type).map((field) => [field.name, read(field)]));
  }
  switch (type) {
    case "bool":
    case "string":
      return typeof tree === { bool: "boolean", string: "string" }[type] ? tree : refuse(`no ${type}`);
    case "f32":
    case "f64":
      return typeof tree === "number" || typeof tree === "bigint" ? Number(tree) : refuse(`no ${type}`);
    case "bytes": {
      const isBytes = tree instanceof Uint8Array || (Array.isArray(tree) && tree.every((byte) => fits("u8", byte)));
      return isBytes ? Uint8Array.from(tree) : refuse("no bytes");
    }
    case "any":
      return tree;
    case "duration":
      return inner("i64", tree, type);
    default: {
      const isWhole = typeof tree === "bigint" || Number.isInteger(tree);
      return isWhole && fits(type, tree) ? tree : refuse(`no ${type}`);
    }
  }
}
