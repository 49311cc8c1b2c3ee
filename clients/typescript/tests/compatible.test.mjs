// What `pitaya schema diff` calls compatible is compatible: old generated clients read what servers of the new schema write,
// and these servers read what old clients send, in each format. The servers are models; see the folder `compatibility`.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { transform } from "esbuild";
import { json } from "../dist/esm/json.js";
import { msgpack } from "../dist/esm/msgpack.js";
import { protobuf } from "../dist/esm/protobuf.js";
import { plain } from "./compatibility/plain.mjs";
import { protobuf as protobufServer } from "./compatibility/protobuf.mjs";
import { seeded } from "./compatibility/random.mjs";
import { randomChange, randomSchema } from "./compatibility/schemas.mjs";
import { difference, ofClient, randomValue, seenAs } from "./compatibility/values.mjs";
import { program } from "./programs.mjs";

const CASES = Number(process.env.PITAYA_CASES ?? 300);
const FIRST_SEED = Number(process.env.PITAYA_SEED ?? 1);
/** The values that each format and direction of a case has. */
const VALUES = 8;

const FORMATS = [
  [json, plain("json")],
  [msgpack, plain("msgpack")],
  [protobuf, protobufServer],
];

/** Calls the command line; returns what it printed, and its exit code. */
function pitaya(folder, schemas, ...args) {
  const files = Object.entries(schemas).map(([name, schema]) => {
    const file = join(folder, `${name}.json`);
    writeFileSync(file, JSON.stringify(schema));
    return file;
  });
  const { status, stdout, stderr } = spawnSync(program("pitaya"), [...args, ...files], { encoding: "utf8" });
  assert.ok(status === 0 || status === 1, `${stderr}\n${JSON.stringify(schemas)}`);
  return { status, stdout };
}

/** Returns the generated client of a schema. */
async function generated(folder, schema) {
  const { code } = await transform(pitaya(folder, { schema }, "gen", "ts").stdout, { loader: "ts" });
  const { Model } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  return Model;
}

/** Returns what goes wrong with a value on its way; `undefined` if nothing does. */
function problem(way) {
  try {
    const { expected, found } = way();
    return difference(expected, found);
  } catch (error) {
    if (error instanceof ReferenceError) throw error;
    return `${error.name}: ${error.message}`;
  }
}

/** A server of the new schema sends a value to an old client. */
const sent = (random, old, now, codec, server) => problem(() => {
  const value = randomValue(random, now, "T", server.name === "json");
  const found = codec.decode(server.write(random, now, "T", value));
  return { found, expected: seenAs({ reader: old, writer: now, proto: server.name === "protobuf" }, "T", "T", value) };
});

/** An old client sends a value to a server of the new schema. */
const received = (random, old, now, codec, server) => problem(() => {
  const value = randomValue(random, old, "T", server.name === "json");
  const found = server.read(now, "T", codec.encode(ofClient(old, "T", value)));
  return { found, expected: seenAs({ reader: now, writer: old, proto: server.name === "protobuf" }, "T", "T", value) };
});

/** Whether the findings forbid a direction. */
const breaks = (findings, direction) =>
  findings.some((found) => found.severity === "break" && (found.direction ?? direction) === direction);

test("compatible changes are read by old clients and new servers", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pitaya-compatible-"));
  const counts = { compatible: 0, breaking: 0, noticed: 0, values: 0 };
  const wrong = [];
  try {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + CASES; seed += 1) {
      const random = seeded(seed);
      const old = randomSchema(random);
      const { schema: now, names } = randomChange(random, old);
      const { status, stdout } = pitaya(folder, { old, new: now }, "schema", "diff", "--json");
      const { findings } = JSON.parse(stdout);
      assert.equal(status, Number(breaks(findings, "in") || breaks(findings, "out")), `seed ${seed}: ${stdout}`);
      const model = await generated(folder, old);
      const formats = FORMATS.filter(([, server]) => old.serializers.includes(server.name));
      for (const [direction, way] of [["in", received], ["out", sent]]) {
        const outcomes = formats.flatMap(([serializer, server]) => {
          const codec = serializer.codecs(model)({ ref: "T" }, "T");
          return Array.from({ length: VALUES }, () => ({ format: server.name, problem: way(random, old, now, codec, server) }));
        });
        counts.values += outcomes.length;
        const bad = outcomes.find(({ problem }) => problem !== undefined);
        if (breaks(findings, direction)) {
          counts.breaking += 1;
          counts.noticed += Number(bad !== undefined);
        } else {
          counts.compatible += 1;
          if (bad) wrong.push({ seed, direction, names, ...bad, old: old.types, new: now.types });
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  assert.deepEqual(wrong, [], JSON.stringify(wrong.slice(0, 3), undefined, 1));
  assert.ok(counts.compatible > CASES / 4, JSON.stringify(counts));
  // A value need not have what the change breaks, but most have.
  assert.ok(counts.noticed > counts.breaking / 2, JSON.stringify(counts));
});
