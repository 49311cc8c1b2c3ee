// The schema of a server, as generated code gives it to the runtime.

/** The type of a value. */
export type Type =
  | "bool"
  | "i8"
  | "i16"
  | "i32"
  | "i64"
  | "u8"
  | "u16"
  | "u32"
  | "u64"
  | "f32"
  | "f64"
  | "string"
  | "bytes"
  | "any"
  | { readonly list: Type }
  | { readonly map: readonly [key: Type, value: Type] }
  /** A list of a fixed length. */
  | { readonly tuple: readonly Type[] }
  | { readonly opt: Type }
  /** An integer of 64 bits that travels as decimal text in JSON and MessagePack. */
  | { readonly text: "i64" | "u64" }
  /** A type of {@link Schema.types}. */
  | { readonly ref: string };

/** A field of a message. */
export interface Field {
  readonly type: Type;
  /**
   * Whether the field may be absent. It then has the first value of its type: 0, an empty text, none for `opt`, or a
   * message of such values.
   */
  readonly optional?: true;
  /** Its Protobuf tag. */
  readonly tag?: number;
  /** Its Protobuf encoding, if it is not that of its type. */
  readonly wire?: "sint32" | "sint64" | "fixed32" | "fixed64" | "sfixed32" | "sfixed64";
}

/** A message. */
export interface Fields {
  readonly fields: Readonly<Record<string, Field>>;
}

/** An enum of names. `by` says what JSON and MessagePack carry: the number, or the name. */
export interface Values {
  readonly values: Readonly<Record<string, number>>;
  readonly by?: "name";
}

/** A shape of a union: fields, a value of a type, or neither. */
export interface Variant {
  readonly fields?: Fields["fields"];
  readonly message?: Type;
  /** Its Protobuf tag. */
  readonly tag?: number;
}

/**
 * A message of several shapes. The field `key` names the variant. The value is in the field `content`, or its fields are
 * beside the key if there is no `content`. An absent union is the first variant.
 */
export interface Union {
  readonly key: string;
  readonly content?: string;
  readonly variants: Readonly<Record<string, Variant>>;
}

/** A type with a name. */
export type Named = Fields | Values | Union;

/** The message of a handler. `"raw"` is bytes; an absent type is the empty message. */
export type Body = Type | "raw";

/** A handler. */
export interface Route {
  readonly route: string;
  /** The type of the message that it takes. */
  readonly message?: Body;
  /** The type of its reply. */
  readonly reply?: Body;
  /** Whether it is a notify: a call without a reply. */
  readonly notify?: true;
  /** The codes of its own errors. */
  readonly errors?: readonly string[];
}

/** The schema of a server. `C` is the client that belongs to it; generated code names it. */
export interface Schema<C = unknown> {
  readonly name: string;
  /** The hash of the client's part of the schema. */
  readonly hash: string;
  /** What `i64` and `u64` are in this client, with every serializer. The default is `number`. */
  readonly int64?: "number" | "bigint";
  readonly types: Readonly<Record<string, Named>>;
  /** The handlers, by group and method. */
  readonly routes: Readonly<Record<string, Readonly<Record<string, Route>>>>;
  /** The types of pushes, by route. */
  readonly pushes: Readonly<Record<string, Body>>;
  /** Never set: it carries the type of the client. */
  readonly client?: C;
}
