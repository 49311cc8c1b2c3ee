import { ProtocolError, TypeMismatch } from "./error.js";
import { exact, show } from "./number.js";
import { plainSerializer } from "./plain.js";
import type { Serializer } from "./serializer.js";
import { decodeText, encodeText } from "./text.js";

/** JSON. Bytes are lists of numbers, as the server writes them; base64 is read too. */
export const json: Serializer = plainSerializer({
  name: "json",
  write: (value) => encodeText(JSON.stringify(value ?? null)),
  read(bytes) {
    if (bytes.length === 0) return undefined;
    const text = decodeText(bytes);
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new ProtocolError("body is not JSON", cause);
    }
  },
  readBytes(value, at) {
    if (typeof value === "string") {
      try {
        return Uint8Array.from(atob(value), (c) => c.charCodeAt(0));
      } catch {
        throw new TypeMismatch(`${at}: not base64`);
      }
    }
    const isByte = (byte: unknown) => Number.isInteger(byte) && (byte as number) >= 0 && (byte as number) <= 255;
    if (!Array.isArray(value) || !value.every(isByte)) throw new TypeMismatch(`${at}: ${show(value)} is no bytes`);
    return Uint8Array.from(value);
  },
  writeBytes: (value) => Array.from(value),
  writeWide: exact,
});
