// The client against servers of this repository.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { connect, createClient, json, untyped } from "../dist/esm/index.js";
import { encodePacket, PacketType } from "../dist/esm/packet.js";
import { msgpack } from "../dist/esm/msgpack.js";
import { protobuf } from "../dist/esm/protobuf.js";
import { tcp } from "../dist/esm/tcp.js";
import { loadGenerated } from "./generated.mjs";
import { arena, benchServer, freePort } from "./programs.mjs";
import { Log } from "./support.mjs";

const { Bench } = await loadGenerated("bench");

/** Opens a client that ends with the test. */
async function open(t, options, schema = Bench) {
  const client = await connect(schema, { webSocket: WebSocket, signal: AbortSignal.timeout(20_000), ...options });
  t.after(() => client.close());
  return client;
}

const next = (client, route) =>
  new Promise((resolve) => {
    const stop = client.on(route, (message) => {
      stop();
      resolve(message);
    });
  });
const event = (client, name) => new Promise((resolve) => client[name](resolve));

const SERIALIZERS = { json, msgpack, protobuf };

for (const [name, serializer] of Object.entries(SERIALIZERS)) {
  test(`requests, errors and pushes over WebSocket with ${name}`, async (t) => {
    const ws = await freePort();
    await benchServer(t, { ws, serializer: name });
    const client = await open(t, { url: `ws://127.0.0.1:${ws}`, serializer });
    for (const text of ["", "é🐉", "long ".repeat(1000)]) assert.deepEqual(await client.echo.typed({ text }), { text });
    assert.deepEqual([...(await client.echo.raw(Uint8Array.of(1, 2, 3)))], [1, 2, 3]);
    assert.equal((await client.bench.stats()).sessions, 1n);
    await assert.rejects(client.echo.none(), { code: "PIT-404", message: /none not found/ });
    await assert.rejects(client.bad.panic(), { name: "PitayaError", code: "PIT-000" });
    assert.equal(await client.fan.join(), undefined);
    const said = next(client, "onSay");
    client.fan.say({ text: "hello hello hello" });
    assert.deepEqual(await said, { text: "hello hello hello" });
  });
}

for (const server of Object.keys(SERIALIZERS)) {
  test(`clients of each serializer get one push of a ${server} server`, async (t) => {
    const ws = await freePort();
    await benchServer(t, { ws, serializer: server });
    const seats = [];
    for (const serializer of Object.values(SERIALIZERS)) {
      const client = await open(t, { url: `ws://127.0.0.1:${ws}`, serializer });
      await client.fan.join();
      seats.push({ client, said: next(client, "onSay") });
    }
    seats[0].client.fan.say({ text: "hello é" });
    for (const { client, said } of seats) {
      assert.deepEqual(await said, { text: "hello é" });
      assert.deepEqual(await client.echo.typed({ text: "é" }), { text: "é" });
      await assert.rejects(client.echo.none(), { code: "PIT-404", message: /none not found/ });
    }
  });
}

test("a generated client with odd names is made", async (t) => {
  const { Record_ } = await loadGenerated("names");
  const client = createClient(Record_, { url: "ws://127.0.0.1:1", webSocket: WebSocket });
  t.after(() => client.close());
  assert.equal(typeof client.aUser.late_join, "function");
  assert.equal(typeof client.close_.close, "function");
  assert.equal(typeof client.close, "function");
});

test("a thousand requests in flight are answered, each with its own answer", async (t) => {
  const ws = await freePort();
  await benchServer(t, { ws });
  const client = await open(t, { url: `ws://127.0.0.1:${ws}` });
  const texts = Array.from({ length: 1000 }, (_, i) => `text ${i}`);
  const answers = await Promise.all(texts.map((text) => client.echo.typed({ text })));
  assert.deepEqual(answers.map(({ text }) => text), texts);
});

test("another serializer than the server's is a terminal close", async (t) => {
  const ws = await freePort();
  await benchServer(t, { ws, serializer: "protobuf" });
  const custom = { ...json, name: "own" };
  await assert.rejects(open(t, { url: `ws://127.0.0.1:${ws}`, serializer: custom }), {
    name: "ClosedError",
    reason: { kind: "serializer", serializer: "protobuf" },
  });
});

test("a server that restarts is found again, with a new session", async (t) => {
  const ws = await freePort();
  const first = await benchServer(t, { ws });
  let asked = 0;
  const client = await open(t, { url: `ws://127.0.0.1:${ws}`, user: () => ({ n: (asked += 1) }) });
  const away = event(client, "onAway");
  await first.stop();
  await away;
  const waiting = client.echo.typed({ text: "sent later" }, { timeout: 60_000 });
  const reset = event(client, "onReset");
  await benchServer(t, { ws });
  await reset;
  assert.deepEqual(await waiting, { text: "sent later" });
  assert.ok(asked >= 2);
});

test("the client begins before the server does", async (t) => {
  const ws = await freePort();
  const connecting = open(t, { url: `ws://127.0.0.1:${ws}` });
  await benchServer(t, { ws });
  assert.deepEqual(await (await connecting).echo.typed({ text: "x" }), { text: "x" });
});

test("a kick is terminal, over WebSocket and TCP", async (t) => {
  const [ws, port] = [await freePort(), await freePort()];
  await benchServer(t, { ws, tcp: port });
  for (const options of [{ url: `ws://127.0.0.1:${ws}` }, { url: `tcp://127.0.0.1:${port}`, transport: tcp }]) {
    const client = await open(t, options);
    const closed = event(client, "onClosed");
    client.bad.kick().catch(() => {});
    assert.deepEqual(await closed, { kind: "kicked" });
    await assert.rejects(client.echo.typed({ text: "x" }), { name: "ClosedError", reason: { kind: "kicked" } });
  }
});

test("a newer session of the same user takes the place", async (t) => {
  const { url } = await arena(t);
  const [first, second] = [await open(t, { url, transport: tcp }, untyped), await open(t, { url, transport: tcp }, untyped)];
  assert.deepEqual(await first.request("arena.bind", { text: "ann" }), { text: "ann" });
  // Over TCP there is no close code that says why.
  const away = event(first, "onAway");
  assert.deepEqual(await second.request("arena.bind", { text: "ann" }), { text: "ann" });
  assert.equal((await away).reason, "connection lost");
});

test("a server with another schema makes the client warn once", async (t) => {
  const { url } = await arena(t, { SCHEMA: "1" });
  const logger = new Log();
  const client = await open(t, { url, transport: tcp, logger });
  const reset = event(client, "onReset");
  await client.request("arena.bind", { text: "ann" });
  // A newer session of the same user makes the client connect again.
  const other = await open(t, { url, transport: tcp }, untyped);
  await other.request("arena.bind", { text: "ann" });
  await reset;
  assert.deepEqual(logger.lines, ["pitaya: the server was built from another schema than bench"]);
  await assert.rejects(open(t, { url, transport: tcp, strict: true }), { reason: { kind: "schema" } });
});

test("TCP: ten thousand pushes arrive in order", async (t) => {
  const { url } = await arena(t);
  const client = await open(t, { url, transport: tcp }, untyped);
  const seen = [];
  client.on("onText", ({ text }) => seen.push(Number(text)));
  await client.request("test.arena.push", { n: 10_000 }, { timeout: 30_000 });
  assert.deepEqual(seen, Array.from({ length: 10_000 }, (_, i) => i));
  await assert.rejects(client.request("test.arena.fail"), { code: "T-1", message: "as asked", metadata: { some: "meta" } });
});

test("heartbeats keep a quiet client, and a stopped server is noticed", async (t) => {
  const { child, url } = await arena(t, { PITAYA_HEARTBEAT_INTERVAL: "1s" });
  const client = await open(t, { url, transport: tcp }, untyped);
  let lost = false;
  client.onAway(() => (lost = true));
  await new Promise((resolve) => setTimeout(resolve, 4_500));
  assert.equal(lost, false);
  child.kill("SIGSTOP");
  const started = Date.now();
  const { reason } = await event(client, "onAway");
  assert.equal(reason, "the server is silent");
  assert.ok(Date.now() - started > 900);
});

// ---- Servers that break the protocol ----

const reply = (change) => {
  const body = JSON.stringify({ code: 200, sys: { dict: {}, heartbeat: 30, serializer: "json" }, ...change });
  return encodePacket(PacketType.HANDSHAKE, Buffer.from(body));
};

/** A WebSocket server that does something with each connection. */
async function wsServer(t, serve) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  t.after(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  server.on("connection", serve);
  return `ws://127.0.0.1:${server.address().port}`;
}

for (const [what, frame, reason] of [
  ["a frame that is no packet", Uint8Array.of(9, 9, 9), "wrong packet type"],
  ["half a packet", Uint8Array.of(4, 0, 0, 9, 1), "received less data than expected"],
  ["two packets in a frame", Uint8Array.of(3, 0, 0, 0, 3, 0, 0, 0), "received more data than expected"],
  ["an empty frame", new Uint8Array(0), "received less data than expected"],
  ["text", "hello", "text message from the server"],
]) {
  test(`WebSocket: ${what} is a loss, and the next connection works`, async (t) => {
    let connections = 0;
    const url = await wsServer(t, (socket) => {
      connections += 1;
      socket.send(reply());
      if (connections === 1) socket.send(frame);
    });
    const client = createClient(untyped, { url, webSocket: WebSocket, logger: new Log() });
    t.after(() => client.close());
    assert.equal((await event(client, "onAway")).reason, reason);
    await event(client, "onReset");
    assert.equal(connections, 2);
  });
}

test("WebSocket: a refused handshake gives code and payload, and is not repeated", async (t) => {
  let connections = 0;
  const url = await wsServer(t, (socket) => {
    connections += 1;
    socket.send(reply({ code: 426, user: { update: "2.0" } }));
    socket.close(4002);
  });
  await assert.rejects(open(t, { url }, untyped), {
    name: "ClosedError",
    code: "PIT-400",
    reason: { kind: "refused", code: 426, payload: { update: "2.0" } },
  });
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.equal(connections, 1);
});

test("WebSocket: a replaced session stays away", async (t) => {
  const url = await wsServer(t, (socket) => {
    socket.send(reply());
    socket.close(4001);
  });
  const client = createClient(untyped, { url, webSocket: WebSocket });
  assert.deepEqual(await event(client, "onClosed"), { kind: "replaced" });
});

test("TCP: a close in the middle of a packet is a loss with a reason", async (t) => {
  const server = createServer((socket) => {
    socket.write(reply());
    socket.end(Uint8Array.of(4, 0, 0, 9, 1));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const url = `tcp://127.0.0.1:${server.address().port}`;
  const client = createClient(untyped, { url, transport: tcp });
  t.after(() => client.close());
  assert.equal((await event(client, "onAway")).reason, "the connection ended within a packet");
});

test("nobody listens: attempts go on until the signal ends them", async () => {
  const port = await freePort();
  for (const options of [{ url: `ws://127.0.0.1:${port}`, webSocket: WebSocket }, { url: `tcp://127.0.0.1:${port}`, transport: tcp }]) {
    const started = Date.now();
    await assert.rejects(connect(untyped, { ...options, signal: AbortSignal.timeout(600) }), { name: "TimeoutError" });
    assert.ok(Date.now() - started < 5_000);
  }
});
