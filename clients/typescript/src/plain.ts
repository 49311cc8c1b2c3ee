// A serializer of a format that carries plain values.

import type { Leaves } from "./tree.js";
import { Tree } from "./tree.js";
import type { ErrorPayload, Serializer } from "./serializer.js";
import { EMPTY, RAW } from "./serializer.js";

/** A format of plain values. */
export interface PlainFormat extends Leaves {
  readonly name: string;
  write(value: unknown): Uint8Array;
  read(bytes: Uint8Array): unknown;
}

/** Makes a serializer of a format. */
export function plainSerializer(format: PlainFormat): Serializer {
  return {
    name: format.name,
    codecs(schema) {
      const reader = new Tree(schema, format, true);
      const writer = new Tree(schema, format, false);
      return (type, at) => {
        if (type === undefined) return EMPTY;
        if (type === "raw") return RAW;
        const read = reader.compile(type, at);
        const write = writer.compile(type, at);
        return {
          // A call without a message has an empty body; a value that may be absent is null.
          encode: (value) => (value === undefined && type === "any" ? new Uint8Array(0) : format.write(write(value))),
          decode: (bytes) => read(format.read(bytes)),
        };
      };
    },
    error: (bytes) => (format.read(bytes) ?? {}) as ErrorPayload,
  };
}
