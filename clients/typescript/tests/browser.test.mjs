// The client in a real browser: the program in CHROMIUM, or /usr/bin/chromium.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { benchServer, freePort, openPage } from "./programs.mjs";

const PAGE = `
  import { connect } from "./index.js";
  import { Bench } from "../../tests/generated/bench.ts";
  import { msgpack } from "./msgpack.js";
  import { protobuf } from "./protobuf.js";
  const serializers = { msgpack, protobuf, json: undefined };
  globalThis.open = async (port, name) => {
    const events = [];
    const serializer = serializers[name];
    const client = await connect(Bench, { url: "ws://127.0.0.1:" + port, ...(serializer && { serializer }) });
    client.onAway(({ reason }) => events.push("away: " + reason));
    client.onReset(() => events.push("reset"));
    client.onClosed(({ kind }) => events.push("closed: " + kind));
    client.on("onSay", ({ text }) => events.push("push " + text.slice(0, 20)));
    globalThis.client = client;
    globalThis.events = events;
  };
`;

/** Opens the page in a browser that ends with the test. Returns it with what it complained about. */
async function openClient(t) {
  const resolveDir = fileURLToPath(new URL("../dist/esm", import.meta.url));
  const { outputFiles } = await build({
    stdin: { contents: PAGE, resolveDir },
    bundle: true,
    write: false,
    format: "esm",
    target: "es2020",
  });
  const server = createServer((request, response) => {
    const isScript = request.url === "/app.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? outputFiles[0].text : '<!doctype html><script type="module" src="/app.js"></script>');
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return openPage(t, `http://127.0.0.1:${server.address().port}/`);
}

const echo = (page, text) => page.evaluate(async (value) => (await globalThis.client.echo.typed({ text: value })).text, text);
const sees = (page, event) => page.waitForFunction((wanted) => globalThis.events.includes(wanted), event);

test("browser: requests, compressed pushes, a restart and the close", async (t) => {
  const { page, complaints } = await openClient(t);
  for (const name of ["json", "msgpack", "protobuf"]) {
    const ws = await freePort();
    const first = await benchServer(t, { ws, serializer: name });
    await page.evaluate(([port, format]) => globalThis.open(port, format), [ws, name]);
    assert.equal(await echo(page, "é🐉 ".repeat(500)), "é🐉 ".repeat(500));
    await page.evaluate(async () => {
      await globalThis.client.fan.join();
      globalThis.client.fan.say({ text: "long ".repeat(100) });
      globalThis.client.fan.say({ text: "b" });
    });
    await sees(page, "push b");
    await first.stop();
    await sees(page, "away: connection lost");
    await benchServer(t, { ws, serializer: name });
    await sees(page, "reset");
    assert.equal(await echo(page, "again"), "again");
    await page.evaluate(() => globalThis.client.close());
    const events = await page.evaluate(() => globalThis.events.filter((event) => !event.startsWith("away")));
    assert.deepEqual(events, ["push long long long long ", "push b", "reset", "closed: closed"]);
  }
  assert.deepEqual(complaints, []);
});

test("browser: the event `online` tries immediately", async (t) => {
  const { page } = await openClient(t);
  const ws = await freePort();
  const first = await benchServer(t, { ws });
  await page.evaluate(([port]) => globalThis.open(port, "json"), [ws]);
  await first.stop();
  await sees(page, "away: connection lost");
  // The delays have grown to seconds when the server is back.
  await page.waitForFunction(() => globalThis.events.length >= 6);
  await benchServer(t, { ws });
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await sees(page, "reset");
});
