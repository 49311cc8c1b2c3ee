// The golden bytes of the protocol, which the Rust tests use too.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const folder = process.env.PITAYA_VECTORS || fileURLToPath(new URL("../../../tests/vectors", import.meta.url));
const vectors = JSON.parse(readFileSync(join(folder, "client-vectors.json"), "utf8"));

/** Runs a test for each vector of a kind. */
export function forEachVector(kind, check) {
  test(`vectors: ${kind}`, async (t) => {
    assert.ok(vectors[kind]?.length > 0, `no vectors of the kind ${kind}`);
    for (const [i, vector] of vectors[kind].entries()) {
      await t.test(vector.name ?? `entry ${i}`, () => check(vector));
    }
  });
}

/** Whether bytes must be refused. `port_should` says so where Go Pitaya does something else, or crashes. */
export const isRefused = (vector) =>
  vector.port_should === undefined ? vector.go_error !== undefined : vector.port_should.startsWith("reject");
