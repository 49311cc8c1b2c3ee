// Random schemas, and random changes of them.

const SCALARS = ["bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64", "string", "bytes", "duration", "any"];
const PROTO_SCALARS = ["bool", "i32", "i64", "u32", "u64", "f32", "f64", "string", "bytes", "duration"];
const ENCODINGS = {
  i32: ["sint32", "sfixed32"],
  i64: ["sint64", "sfixed64"],
  u32: ["fixed32"],
  u64: ["fixed64"],
};
const NAMES = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"];

/** Whether a type is an enum of the schema. */
export const isEnum = (schema, type) => schema.types[type]?.enum !== undefined;
/** Whether a type is a message of the schema. */
export const isMessage = (schema, type) => fieldsOf(schema, type) !== undefined;
/** Whether a type is a union of the schema. */
export const isUnion = (schema, type) => schema.types[type]?.union !== undefined;
/** The fields of a message: of one of the schema, or of a variant. */
export const fieldsOf = (schema, type) => type.fields ?? schema.types[type]?.fields;
/** The type of a variant's value; `undefined` if it has none. */
export const bodyOf = ({ fields, message }) => (fields ? { fields } : message);

/** Returns a type. `T` and `N` are messages, `U` is a union and `E` an enum; messages of `proto` have a Protobuf form. */
function randomType(random, proto, inner) {
  const leaf = () => {
    if (random.chance(0.15)) return "E";
    if (random.chance(0.1)) return { text: random.pick(["i64", "u64"]) };
    return random.pick(proto ? PROTO_SCALARS : SCALARS);
  };
  const element = () => (inner && random.chance(0.4) ? random.pick(["N", "U"]) : leaf());
  switch (random.below(proto ? 8 : 9)) {
    case 8:
      return { tuple: [element(), leaf()] };
    case 0:
      return { list: element() };
    case 1:
      return { map: ["string", proto ? random.pick(PROTO_SCALARS) : element()] };
    case 2:
    case 3:
      return { opt: element() };
    default:
      // A message with a Protobuf form is in an `Option`, as the macro asks for.
      return proto ? leaf() : element();
  }
}

function randomField(random, name, proto, inner, tag) {
  const field = { name, type: randomType(random, proto, inner) };
  if (!proto) {
    if (field.type.opt === undefined && random.chance(0.6)) field.required = true;
    return field;
  }
  field.tag = tag;
  if (random.chance(0.3)) setEncoding(random, field);
  return field;
}

/** Returns a variant: without a value, with fields, or of a type. */
function randomVariant(random, name, proto, content, tag) {
  const tagged = { name, ...(proto && { tag }) };
  switch (random.below(3)) {
    case 0:
      return tagged;
    case 1:
      return { ...tagged, fields: [randomField(random, "alpha", proto, false, 1)] };
    default:
      return { ...tagged, message: content && random.chance(0.5) ? random.pick(PROTO_SCALARS) : "N" };
  }
}

function randomUnion(random, proto) {
  const content = random.chance(0.5);
  const union = Array.from({ length: 1 + random.below(3) }, (_, at) => randomVariant(random, `W${at}`, proto, content, at + 1));
  return { ...(proto && { proto }), key: "type", ...(content && { content: "data" }), union };
}

/** Sets a Protobuf encoding if the type has another one than the usual. */
function setEncoding(random, field) {
  delete field.encoding;
  const { type } = field;
  const scalar = type.opt ?? type.list ?? type;
  const encodings = ENCODINGS[scalar.text ?? scalar];
  if (encodings !== undefined) field.encoding = random.pick(encodings);
}

/** Returns a schema with one handler and one push, whose message is `T`. */
export function randomSchema(random) {
  const proto = random.chance(0.5);
  const message = (count, inner) => ({
    ...(proto && { proto }),
    fields: NAMES.slice(0, count).map((name, at) => randomField(random, name, proto, inner, at + 1)),
  });
  const values = Array.from({ length: 1 + random.below(3) }, (_, at) => ({ name: `V${at}`, number: at }));
  return {
    pitaya: 1,
    name: "model",
    types: {
      E: { ...(random.chance(0.5) && { repr: "name" }), enum: values },
      N: message(1 + random.below(2), false),
      T: message(1 + random.below(4), true),
      U: randomUnion(random, proto),
    },
    handlers: { "a.b.c": { message: "T", reply: "T" } },
    pushes: { onT: { message: "T" } },
    serializers: proto ? ["json", "msgpack", "protobuf"] : ["json", "msgpack"],
  };
}

/** Types that are close to another one: wider, narrower, optional or not. */
function related(random, type, proto) {
  if (type.opt !== undefined) return proto && ["N", "U"].includes(type.opt) ? type : type.opt;
  if (proto && (type.list ?? type.map) !== undefined) return type;
  if (type.text !== undefined) return random.pick([type.text, { text: type.text === "i64" ? "u64" : "i64" }]);
  const wider = { i8: "i16", i16: "i32", i32: "i64", u8: "u16", u16: "u32", u32: "u64", f32: "f64" };
  const narrower = Object.fromEntries(Object.entries(wider).map(([narrow, wide]) => [wide, narrow]));
  const near = [{ opt: type }, wider[type], narrower[type], { u32: "i64", u16: "i32", u8: "i16" }[type]];
  if (type === "i64" || type === "u64") near.push({ text: type });
  if (type === "i64" || type === "duration") near.push(type === "i64" ? "duration" : "i64");
  if (type.tuple !== undefined) near.push({ tuple: [type.tuple[0], related(random, type.tuple[1], proto)] });
  const allowed = (found) => found !== undefined && (!proto || typeof found !== "string" || PROTO_SCALARS.includes(found));
  return random.pick(near.filter(allowed));
}

/** The changes that a program may make, each of a copy of the schema. */
const CHANGES = {
  addField(random, schema, proto, name) {
    const { fields } = schema.types[name];
    const free = NAMES.find((other) => fields.every((field) => field.name !== other));
    const tag = Math.max(0, ...fields.map((field) => field.tag ?? 0)) + 1;
    fields.splice(random.below(fields.length + 1), 0, randomField(random, free, proto, name === "T", tag));
  },
  removeField(random, schema, proto, name) {
    const { fields } = schema.types[name];
    if (fields.length > 1) fields.splice(random.below(fields.length), 1);
  },
  requireField(random, schema, proto, name) {
    const field = random.pick(schema.types[name].fields);
    if (proto || field.type.opt !== undefined) return;
    if (field.required) delete field.required;
    else field.required = true;
  },
  changeType(random, schema, proto, name) {
    const field = random.pick(schema.types[name].fields);
    field.type = randomType(random, proto, name === "T");
  },
  changeTypeALittle(random, schema, proto, name) {
    const field = random.pick(schema.types[name].fields);
    field.type = related(random, field.type, proto);
  },
  renameField(random, schema, proto, name) {
    const { fields } = schema.types[name];
    random.pick(fields).name = NAMES.find((other) => fields.every((field) => field.name !== other));
  },
  reorderFields(random, schema, proto, name) {
    schema.types[name].fields.reverse();
  },
  changeTag(random, schema, proto, name) {
    const { fields } = schema.types[name];
    if (!proto) return;
    const [one, other] = [random.pick(fields), random.pick(fields)];
    if (one === other) one.tag += 10;
    else [one.tag, other.tag] = [other.tag, one.tag];
  },
  changeEncoding(random, schema, proto, name) {
    if (proto) setEncoding(random, random.pick(schema.types[name].fields));
  },
  addValue(random, schema, proto) {
    const { enum: values } = schema.types.E;
    const at = Math.max(...values.map(({ number }) => number)) + 1;
    // Of an enum with a Protobuf form the first value stays 0.
    values.splice(random.below(values.length + (proto ? 0 : 1)) + (proto ? 1 : 0), 0, { name: `V${at}`, number: at });
  },
  removeValue(random, schema, proto) {
    const { enum: values } = schema.types.E;
    if (values.length > 1) values.splice(proto ? 1 + random.below(values.length - 1) : random.below(values.length), 1);
  },
  renumberValue(random, schema, proto) {
    const { enum: values } = schema.types.E;
    const at = proto ? 1 : 0;
    if (values.length > at) values[at + random.below(values.length - at)].number += 20;
  },
  renameValue(random, schema) {
    random.pick(schema.types.E.enum).name += "x";
  },
  reorderValues(random, schema, proto) {
    if (!proto) schema.types.E.enum.reverse();
  },
  addVariant(random, schema, proto) {
    const { union, content } = schema.types.U;
    const at = Math.max(...union.map(({ name }) => Number(/\d+/.exec(name)[0]))) + 1;
    const tag = Math.max(...union.map((variant) => variant.tag ?? 0)) + 1;
    union.splice(random.below(union.length + 1), 0, randomVariant(random, `W${at}`, proto, content !== undefined, tag));
  },
  removeVariant(random, schema) {
    const { union } = schema.types.U;
    if (union.length > 1) union.splice(random.below(union.length), 1);
  },
  changeVariant(random, schema, proto) {
    const { union, content } = schema.types.U;
    const at = random.below(union.length);
    union[at] = randomVariant(random, union[at].name, proto, content !== undefined, union[at].tag);
  },
  changeFieldOfVariant(random, schema, proto) {
    const { fields } = random.pick(schema.types.U.union);
    if (fields === undefined) return;
    if (random.chance(0.5)) fields[0].type = related(random, fields[0].type, proto);
    else if (fields.length === 1) fields.push(randomField(random, "beta", proto, false, 2));
    else fields.pop();
  },
  renameVariant(random, schema) {
    random.pick(schema.types.U.union).name += "x";
  },
  reorderVariants(random, schema) {
    schema.types.U.union.reverse();
  },
  changeTagOfVariant(random, schema, proto) {
    const { union } = schema.types.U;
    if (proto) random.pick(union).tag += 10;
  },
  changeFormOfUnion(random, schema) {
    const { U } = schema.types;
    if (random.chance(0.5)) U.key = "kind";
    else if (U.content !== undefined) U.content = "value";
  },
  changeRepr(random, schema) {
    const { E } = schema.types;
    if (E.repr === "name") delete E.repr;
    else E.repr = "name";
  },
};

/** Returns a schema with one to three changes, and their names. */
export function randomChange(random, old) {
  const schema = structuredClone(old);
  const proto = schema.types.T.proto === true;
  const names = Array.from({ length: 1 + random.below(3) }, () => random.pick(Object.keys(CHANGES)));
  for (const name of names) CHANGES[name](random, schema, proto, random.chance(0.75) ? "T" : "N");
  const { U, ...others } = schema.types;
  for (const { fields } of [...Object.values(others), ...U.union]) {
    for (const field of fields ?? []) tidy(field);
  }
  return { schema, names };
}

/** Removes what does not fit the type of a field any more. */
function tidy(field) {
  const { type } = field;
  const scalar = type.opt ?? type.list ?? type;
  if (type.opt !== undefined) delete field.required;
  if (!(ENCODINGS[scalar.text ?? scalar] ?? []).includes(field.encoding)) delete field.encoding;
}
