// Measures typed requests a second, and the heap before and after many pushes.
//
//   node --expose-gc bench/bench.mjs BENCH-SERVER [json|msgpack|protobuf]
//
// BENCH-SERVER is the program `bench-server` of this repository, in release. It ends with this one.

import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { once } from "node:events";
import { WebSocket } from "ws";
import { connect } from "../dist/esm/index.js";

const REQUESTS = 200_000;
const IN_FLIGHT = 64;
const PUSHES = 1_000_000;
const BURST = 1_000;

const [program, format = "json"] = process.argv.slice(2);
const serializer = (await import(`../dist/esm/${format}.js`))[format];

const text = { fields: { text: { type: "string", tag: 1 } } };
const bench = {
  name: "bench",
  hash: "",
  types: { Text: text },
  routes: {
    echo: { typed: { route: "bench.echo.typed", message: { ref: "Text" }, reply: { ref: "Text" } } },
    fan: { join: { route: "bench.fan.join" }, say: { route: "bench.fan.say", message: { ref: "Text" }, notify: true } },
  },
  pushes: { onSay: { ref: "Text" } },
};

const port = await freePort();
const server = spawn(program, ["--ws", `127.0.0.1:${port}`, "--serializer", format], {
  stdio: ["ignore", "ignore", "pipe"],
  env: { ...process.env, PITAYA_HANDLER_MESSAGES_COMPRESSION: "false" },
});
process.on("exit", () => server.kill());
await once(server.stderr, "data"); // "ready"

const client = await connect(bench, { url: `ws://127.0.0.1:${port}`, webSocket: WebSocket, serializer });
await requests(20_000); // warm up
const seconds = await requests(REQUESTS);
console.log(`${Math.round(REQUESTS / seconds)} requests a second (${format}, ${IN_FLIGHT} in flight)`);

await client.fan.join();
await pushes(100_000);
const before = heap();
const start = performance.now();
await pushes(PUSHES);
const rate = Math.round((PUSHES / (performance.now() - start)) * 1000);
console.log(`${PUSHES} pushes, ${rate} a second: heap ${before} KiB before, ${heap()} KiB after`);
client.close();
server.kill();

/** Makes requests, with a number of them in flight. Returns the seconds that took. */
async function requests(count) {
  let left = count;
  const began = performance.now();
  const one = async () => {
    while (left > 0) {
      left -= 1;
      const message = `message ${left}`;
      const { text: back } = await client.echo.typed({ text: message });
      if (back !== message) throw new Error(`${back} instead of ${message}`);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
  return (performance.now() - began) / 1000;
}

/** Lets the server push, in bursts: each notify comes back as a push. */
function pushes(count) {
  return new Promise((resolve) => {
    let seen = 0;
    const burst = () => {
      for (let i = 0; i < BURST; i += 1) client.fan.say({ text: "hello" });
    };
    const stop = client.on("onSay", ({ text: said }) => {
      if (said !== "hello") throw new Error(said);
      seen += 1;
      if (seen === count) {
        stop();
        resolve();
      } else if (seen % BURST === 0) burst();
    });
    burst();
  });
}

/** Returns the used heap in KiB, after a collection. */
function heap() {
  for (let i = 0; i < 4; i += 1) globalThis.gc?.();
  return Math.round(process.memoryUsage().heapUsed / 1024);
}

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port: free } = probe.address();
  probe.close();
  await once(probe, "close");
  return free;
}
