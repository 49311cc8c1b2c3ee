// Compressed bodies (docs/protocol.md, "Messages" and "Handshake").

import { ProtocolError } from "./error.js";
import { join } from "./packet.js";

/** The longest body that is inflated, in bytes. */
export const MAX_INFLATED = 16 * 1024 * 1024;

/** Returns whether bytes begin as zlib or gzip data does. */
export function looksCompressed(bytes: Uint8Array): boolean {
  const [a, b] = bytes;
  return bytes.length > 2 && ((a === 0x1f && b === 0x8b) || (a === 0x78 && [0x01, 0x5e, 0x9c, 0xda].includes(b ?? 0)));
}

/** Inflates the body of a message, which is zlib data. Rejects as {@link inflateAs}. */
export function inflate(bytes: Uint8Array, limit?: number): Promise<Uint8Array> {
  return inflateAs("deflate", bytes, limit);
}

/** Inflates what {@link looksCompressed}: zlib or gzip data. Rejects as {@link inflateAs}. */
export function inflateAny(bytes: Uint8Array): Promise<Uint8Array> {
  return inflateAs(bytes[0] === 0x1f ? "gzip" : "deflate", bytes);
}

/** Rejects with a {@link ProtocolError} if the data is damaged or longer than `limit` bytes inflated. */
async function inflateAs(format: CompressionFormat, bytes: Uint8Array, limit = MAX_INFLATED): Promise<Uint8Array> {
  if (bytes.length === 0) throw new ProtocolError("compressed body is empty");
  const source = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
  const reader = source.pipeThrough(new DecompressionStream(format)).getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      length += part.value.length;
      if (length > limit) break;
      parts.push(part.value);
    }
  } catch (cause) {
    throw new ProtocolError("compressed body is damaged", cause);
  }
  if (length > limit) {
    void reader.cancel().catch(() => {});
    throw new ProtocolError(`compressed body is longer than ${limit} bytes`);
  }
  return join(parts, length);
}
