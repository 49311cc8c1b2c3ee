// Checks and converts values between the program and a format of plain values (JSON, MessagePack).
//
// A type is compiled once to a function. A value that does not fit is a `TypeMismatch` that names the field.

import { TypeMismatch } from "./error.js";
import { exact, isSmallInt, show, smallInt, wideInt } from "./number.js";
import type { Fields, Named, Schema, Type, Union, Values } from "./types.js";

/** Converts a value, or throws a {@link TypeMismatch}. */
export type Convert = (value: unknown) => unknown;

/** What differs between the formats. */
export interface Leaves {
  /** Reads bytes. Throws a {@link TypeMismatch} if the value is not bytes. */
  readBytes(value: unknown, at: string): Uint8Array;
  /** Writes bytes. */
  writeBytes(value: Uint8Array): unknown;
  /** Whether maps can be written with texts as keys only. */
  readonly textKeysOnly?: true;
  /** Writes an integer of 64 bits. */
  writeWide(value: bigint, at: string): unknown;
}

/** The compiled types of a schema in one direction. */
export class Tree {
  private readonly named = new Map<string, Convert>();

  constructor(
    private readonly schema: Schema,
    private readonly leaves: Leaves,
    private readonly reading: boolean,
  ) {}

  /** Compiles a type. `at` names the place in errors. */
  compile(type: Type, at: string): Convert {
    if (typeof type === "string") return isSmallInt(type) ? (value) => smallInt(type, value, at) : this.plain(type, at);
    if ("ref" in type) return this.reference(type.ref, at);
    if ("list" in type) return this.list(this.compile(type.list, `${at}[]`), at);
    if ("map" in type) return this.map(type.map[0], this.compile(type.map[1], `${at}[]`), at);
    if ("tuple" in type) return this.tuple(type.tuple.map((part, i) => this.compile(part, `${at}[${i}]`)), at);
    if ("text" in type) return this.text(type.text, at);
    const inner = this.compile(type.opt, at);
    return (value) => (value === undefined || value === null ? undefined : inner(value));
  }

  private plain(type: string, at: string): Convert {
    const { leaves, reading } = this;
    const bigint = this.schema.int64 === "bigint";
    const must = (test: (value: unknown) => boolean, what: string): Convert => (value) => {
      if (!test(value)) throw new TypeMismatch(`${at}: ${show(value)} is no ${what}`);
      return value;
    };
    switch (type) {
      case "bool":
        return must((value) => typeof value === "boolean", type);
      case "string":
        return must((value) => typeof value === "string", type);
      case "f32":
      case "f64":
        return (value) => {
          if (typeof value === "bigint") return Number(value);
          // JSON has no other form for what is not finite.
          if (value === null && reading) return NaN;
          if (typeof value !== "number") throw new TypeMismatch(`${at}: ${show(value)} is no ${type}`);
          return value;
        };
      case "i64":
      case "u64":
        return (value) => {
          const wide = wideInt(type, value, at);
          if (!reading) return leaves.writeWide(wide, at);
          return bigint ? wide : exact(wide, at);
        };
      case "bytes":
        if (reading) return (value) => leaves.readBytes(value, at);
        return (value) => {
          if (!(value instanceof Uint8Array)) throw new TypeMismatch(`${at}: ${show(value)} is no Uint8Array`);
          return leaves.writeBytes(value);
        };
      default:
        return (value) => value;
    }
  }

  private text(type: "i64" | "u64", at: string): Convert {
    const bigint = this.schema.int64 === "bigint";
    if (!this.reading) return (value) => String(wideInt(type, value, at));
    return (value) => {
      const number = typeof value === "string" && /^-?\d{1,20}$/.test(value) ? BigInt(value) : value;
      const wide = wideInt(type, number, at);
      return bigint ? wide : exact(wide, at);
    };
  }

  private list(item: Convert, at: string): Convert {
    return (value) => {
      if (!Array.isArray(value)) throw new TypeMismatch(`${at}: ${show(value)} is no list`);
      return value.map(item);
    };
  }

  private tuple(parts: Convert[], at: string): Convert {
    return (value) => {
      if (!Array.isArray(value) || value.length !== parts.length) {
        throw new TypeMismatch(`${at}: ${show(value)} is no list of ${parts.length}`);
      }
      return parts.map((part, i) => part(value[i]));
    };
  }

  private map(keyType: Type, item: Convert, at: string): Convert {
    const named = typeof keyType === "object" && "ref" in keyType ? this.schema.types[keyType.ref] : undefined;
    // Keys are texts in these formats, also the numbers of enums.
    const values = named !== undefined && "values" in named && named.by !== "name" ? named : undefined;
    const text = keyType === "string" || (named !== undefined && values === undefined);
    const refused = !this.reading && !text && this.leaves.textKeysOnly === true;
    const keyOf = values === undefined ? (key: string) => key : enumKey(values, at, this.reading);
    return (value) => {
      if (refused) throw new TypeMismatch(`${at}: this format cannot send integers as keys`);
      if (!isObject(value)) throw new TypeMismatch(`${at}: ${show(value)} is no map`);
      // Without a prototype, so that `__proto__` is a key as any other.
      const out: Record<string, unknown> = Object.create(null);
      for (const key of Object.keys(value)) out[keyOf(key)] = item(value[key]);
      return out;
    };
  }

  /** A type may contain itself, so its function is made when it is first needed. */
  private reference(name: string, at: string): Convert {
    let found: Convert | undefined;
    return (value) => {
      found ??= this.named.get(name) ?? this.make(name);
      // The place of a value that is no object at all is better named by its field.
      if (value === undefined || value === null) throw new TypeMismatch(`${at}: ${show(value)} is no ${name}`);
      return found(value);
    };
  }

  private make(name: string): Convert {
    const named: Named | undefined = this.schema.types[name];
    if (named === undefined) throw new TypeMismatch(`the schema has no type ${name}`);
    const made =
      "values" in named
        ? enumeration(named, name, this.reading)
        : "variants" in named
          ? this.union(named, name)
          : this.message(named.fields, name);
    this.named.set(name, made);
    return made;
  }

  private message(fields: Fields["fields"], name: string): Convert {
    const all = Object.entries(fields).map(([key, { type, optional = false }]) => {
      const at = `${name}.${key}`;
      return { key, at, type, optional, convert: this.compile(type, at) };
    });
    const { reading } = this;
    return (value) => {
      if (!isObject(value)) throw new TypeMismatch(`${show(value)} is no ${name}`);
      const out: Record<string, unknown> = {};
      for (const { key, at, type, optional, convert } of all) {
        const part = own(value, key);
        if (part === undefined && !optional) throw new TypeMismatch(`${at}: missing`);
        const made = part !== undefined ? convert(part) : reading ? this.initial(type) : undefined;
        if (made !== undefined) out[key] = made;
      }
      return out;
    };
  }

  private union({ key, content, variants }: Union, name: string): Convert {
    const all = new Map<unknown, Convert>();
    for (const [variant, { fields, message }] of Object.entries(variants)) {
      const at = `${name}.${variant}`;
      const inner = fields ? this.message(fields, at) : message ? this.compile(message, at) : () => undefined;
      all.set(variant, (value) => {
        const object = value as Record<string, unknown>;
        if (content === undefined) return { [key]: variant, ...(inner(object) as object) };
        const made = inner(own(object, content));
        return made === undefined ? { [key]: variant } : { [key]: variant, [content]: made };
      });
    }
    return (value) => {
      if (!isObject(value)) throw new TypeMismatch(`${show(value)} is no ${name}`);
      const variant = own(value, key);
      const convert = all.get(variant);
      if (convert !== undefined) return convert(value);
      if (this.reading && typeof variant === "string") return { $unknown: value };
      if (!this.reading && variant === undefined && isObject(value["$unknown"])) return value["$unknown"];
      throw new TypeMismatch(`${name}.${key}: ${show(variant)} is no variant`);
    };
  }

  /** Returns the value of an absent field. */
  private initial(type: Type): unknown {
    if (typeof type === "object") {
      if ("opt" in type) return undefined;
      if ("list" in type) return [];
      if ("map" in type) return Object.create(null);
      if ("tuple" in type) return type.tuple.map((part) => this.initial(part));
      if ("ref" in type) {
        const named = this.schema.types[type.ref];
        if (named === undefined) throw new TypeMismatch(`the schema has no type ${type.ref}`);
        if ("values" in named) return Object.keys(named.values)[0];
        if ("variants" in named) return this.initialVariant(named);
        return this.initialFields(named.fields);
      }
      type = type.text;
    }
    switch (type) {
      case "bool":
        return false;
      case "string":
        return "";
      case "bytes":
        return new Uint8Array(0);
      case "any":
        return undefined;
      case "i64":
      case "u64":
        return this.schema.int64 === "bigint" ? BigInt(0) : 0;
      default:
        return 0;
    }
  }

  private initialFields(fields: Fields["fields"]): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    for (const [key, field] of Object.entries(fields)) {
      const value = this.initial(field.type);
      if (value !== undefined) out[key] = value;
    }
    return out;
  }

  private initialVariant({ key, content, variants }: Union): unknown {
    const [name, { fields, message }] = Object.entries(variants)[0]!;
    const value = fields ? this.initialFields(fields) : message ? this.initial(message) : undefined;
    if (content === undefined) return { [key]: name, ...(value as object) };
    return value === undefined ? { [key]: name } : { [key]: name, [content]: value };
  }
}

/** Returns the value of a field of the object itself. */
function own(object: Record<string, unknown>, key: string): unknown {
  return Object.prototype.hasOwnProperty.call(object, key) ? object[key] : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value that the schema does not know keeps its number, as text, and can be sent back. */
function enumeration(named: Values, name: string, reading: boolean): Convert {
  const { values, by } = named;
  if (by === "name" || reading) {
    const names = new Map(Object.entries(values).map(([label, number]) => [number, label]));
    return (value) => {
      if (typeof value === "string") return value;
      if (!Number.isInteger(value)) throw new TypeMismatch(`${show(value)} is no ${name}`);
      return names.get(value as number) ?? String(value);
    };
  }
  return (value) => enumNumber(values, name, value);
}

/** Returns the conversion of the keys of a map. */
function enumKey({ values }: Values, at: string, reading: boolean): (key: string) => string {
  if (!reading) return (key) => String(enumNumber(values, at, key));
  const names = new Map(Object.entries(values).map(([label, number]) => [String(number), label]));
  return (key) => names.get(key) ?? key;
}

/** Returns the number of an enum's value. */
export function enumNumber(values: Readonly<Record<string, number>>, name: string, value: unknown): number {
  const known = typeof value === "string" && Object.prototype.hasOwnProperty.call(values, value);
  const number = known ? values[value] : /^-?\d{1,10}$/.test(String(value)) ? Number(value) : undefined;
  if (number === undefined) throw new TypeMismatch(`${show(value)} is no ${name}`);
  return number;
}
