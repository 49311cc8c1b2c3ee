import { ProtocolError } from "./error.js";

/** The bytes behind the first byte of a value, from 0xc0 to 0xdf, without the text or data whose length they tell. */
// prettier-ignore
const BEHIND = [
  0, 0, 0, 0, // nil, never used, false, true
  1, 2, 4, 2, 3, 5, // bin, ext
  4, 8, // floats
  1, 2, 4, 8, 1, 2, 4, 8, // integers
  2, 3, 5, 9, 17, // fixext
  1, 2, 4, // str
  2, 4, 2, 4, // array, map
];

/**
 * Throws a {@link ProtocolError} if lists and maps claim more elements than the body has bytes. The library takes memory
 * for what a list claims, before it reads an element.
 */
export function checkSizes(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const sized = (at: number, width: number) =>
    width === 1 ? view.getUint8(at) : width === 2 ? view.getUint16(at) : view.getUint32(at);
  let at = 0;
  // The values that the body still owes.
  for (let owed = 1; owed > 0 && at < bytes.length; owed -= 1) {
    const first = bytes[at] as number;
    at += 1;
    if (first < 0x80 || first >= 0xe0) continue;
    if (first < 0x90) owed += 2 * (first - 0x80);
    else if (first < 0xa0) owed += first - 0x90;
    else if (first < 0xc0) at += first - 0xa0;
    else {
      const behind = BEHIND[first - 0xc0] as number;
      if (at + behind > bytes.length) return; // The library says what is cut.
      const start = at;
      at += behind;
      if (first >= 0xdc) owed += sized(start, behind) * (first >= 0xde ? 2 : 1);
      else if (first >= 0xd9 || (first >= 0xc4 && first <= 0xc6)) at += sized(start, behind);
      else if (first >= 0xc7 && first <= 0xc9) at += sized(start, behind - 1);
    }
    if (owed - 1 > bytes.length - at) throw new ProtocolError("body claims more values than it has bytes");
  }
}
