// Ranges of integers. Integers of 64 bits are exact or an error, never rounded.

import { TypeMismatch } from "./error.js";

const RANGES = {
  i8: [-0x80, 0x7f],
  i16: [-0x8000, 0x7fff],
  i32: [-0x80000000, 0x7fffffff],
  u8: [0, 0xff],
  u16: [0, 0xffff],
  u32: [0, 0xffffffff],
} as const;

/** Integers of up to 32 bits. */
export type SmallInt = keyof typeof RANGES;

export function isSmallInt(type: unknown): type is SmallInt {
  return typeof type === "string" && type in RANGES;
}

/** Returns the value as an integer of the type. */
export function smallInt(type: SmallInt, value: unknown, at: string): number {
  const number = typeof value === "bigint" ? Number(value) : value;
  const [least, greatest] = RANGES[type];
  if (!Number.isInteger(number) || (number as number) < least || (number as number) > greatest) {
    throw new TypeMismatch(`${at}: ${show(value)} is no ${type}`);
  }
  return number as number;
}

/** Returns the value as a bigint of the type. A number beyond 2^53 is an error, because it may be rounded already. */
export function wideInt(type: "i64" | "u64", value: unknown, at: string): bigint {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new TypeMismatch(`${at}: ${value} is not an exact integer`);
    value = BigInt(value);
  }
  if (typeof value !== "bigint" || (type === "i64" ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value)) !== value) {
    throw new TypeMismatch(`${at}: ${show(value)} is no ${type}`);
  }
  return value;
}

/** Returns the integer as a number, if a number holds it exactly. */
export function exact(value: bigint, at: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new TypeMismatch(`${at}: a number cannot hold ${value}; generate with bigint`);
  return number;
}

/** Returns a short text of a value, for an error. */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  return String(value).slice(0, 40);
}
