// Enums with data: a client that is generated from the schema of a server in Rust, and that server.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { WebSocket } from "ws";
import { connect, json } from "../dist/esm/index.js";
import { msgpack } from "../dist/esm/msgpack.js";
import { loadGeneratedFile } from "./generated.mjs";
import { firstLine, program, start } from "./programs.mjs";

/** Generates the client of the server. `BigInt` is the type of its `i64`. */
async function generate(t, int64) {
  const folder = mkdtempSync(join(tmpdir(), "pitaya-enums-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [schema, client] = [join(folder, "schema.json"), join(folder, "client.ts")];
  writeFileSync(schema, execFileSync(program("shapes"), ["--print-schema"]));
  execFileSync(program("pitaya"), ["gen", "ts", schema, "--int64", int64, "-o", client]);
  return (await loadGeneratedFile(client)).Shapes;
}

for (const [name, serializer, int64, number] of [
  ["json", json, "number", Number],
  ["msgpack", msgpack, "bigint", BigInt],
]) {
  test(`enums with data travel both ways with ${name}`, async (t) => {
    const schema = await generate(t, int64);
    const server = start(t, "shapes", ["127.0.0.1:0", name]);
    const url = `ws://${(await firstLine(server.child.stdout)).split("//").pop()}`;
    const client = await connect(schema, { url, serializer, webSocket: WebSocket, signal: AbortSignal.timeout(20_000) });
    t.after(() => client.close());
    const pushes = [];
    client.on("onInputs", ({ inputs }) => pushes.push(inputs));
    const calls = [
      [
        { type: "Move", steps: number(3), direction: "North", after: number(1_000_000) },
        { type: "Move", steps: number(-3), direction: "South", after: number(2_000_000) },
      ],
      [{ type: "Say", text: "pool" }, { type: "Say", text: "loop" }],
      [{ type: "Stop" }, { type: "Stop" }],
    ];
    for (const [input, turned] of calls) assert.deepEqual(await client.shapes.turn(input), turned);
    assert.deepEqual(pushes, calls, "a push arrives before the reply that was written after it");
    await assert.rejects(client.shapes.turn({ type: "Fly" }), /Fly/);
  });
}
