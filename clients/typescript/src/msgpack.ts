/**
 * MessagePack, over `@msgpack/msgpack`.
 *
 * @packageDocumentation
 */

import { Decoder, Encoder } from "@msgpack/msgpack";
import { TypeMismatch } from "./error.js";
import { checkSizes } from "./msgpacksizes.js";
import { show } from "./number.js";
import { plainSerializer } from "./plain.js";
import type { Serializer } from "./serializer.js";

// One of each: both keep their buffers.
const encoder = new Encoder({ useBigInt64: true, ignoreUndefined: true });
const decoder = new Decoder({ useBigInt64: true, mapKeyConverter: (key) => String(key) });

/** MessagePack with field names. Integers of 64 bits are exact. */
export const msgpack: Serializer = plainSerializer({
  name: "msgpack",
  write: (value) => encoder.encode(value),
  read(bytes) {
    if (bytes.length === 0) return undefined;
    checkSizes(bytes);
    return decoder.decode(bytes);
  },
  readBytes(value, at) {
    if (value instanceof Uint8Array) return value;
    if (Array.isArray(value)) return Uint8Array.from(value as number[]);
    throw new TypeMismatch(`${at}: ${show(value)} is no bytes`);
  },
  writeBytes: (value) => value,
  // The library takes the keys of objects, which are texts.
  textKeysOnly: true,
  writeWide: (value) => value,
});
