import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { ClosedError, connect, createClient, PitayaError, untyped } from "../dist/esm/index.js";
import { Dictionary, MessageType } from "../dist/esm/message.js";
import { PacketType } from "../dist/esm/packet.js";
import { protobuf } from "../dist/esm/protobuf.js";
import { FakeClock, FakeServer, Log, settle } from "./support.mjs";

const schema = {
  name: "test",
  hash: "h1",
  types: {
    Join: { fields: { name: { type: "string" } } },
    Joined: { fields: { uid: { type: "string" }, level: { type: "u8" } } },
  },
  routes: {
    room: {
      join: { route: "room.room.join", message: { ref: "Join" }, reply: { ref: "Joined" }, errors: ["CHAT-1"] },
      leave: { route: "room.room.leave" },
      say: { route: "room.room.say", message: { ref: "Join" }, notify: true },
      raw: { route: "room.room.raw", message: "raw", reply: "raw" },
    },
  },
  pushes: { onJoined: { ref: "Joined" } },
};

let clock;
let server;
let log;
let client;

beforeEach(() => {
  clock = new FakeClock();
  server = new FakeServer();
  log = new Log();
  client = undefined;
});

afterEach(() => {
  client?.close();
  assert.equal(clock.timers.size, 0, "a closed client leaves no timers");
});

const options = (change) => ({
  url: "ws://server",
  transport: server.transport,
  clock,
  logger: log,
  random: () => 1,
  ...change,
});

/** Makes a client that is connected. */
async function connected(change, handshake) {
  client = createClient(schema, options(change));
  await settle();
  server.last.handshake(handshake);
  await clock.advance(0);
  return server.last;
}

/** Records the events of a client. */
function record() {
  const events = [];
  client.on("onJoined", ({ uid }) => events.push(`push ${uid}`));
  client.onOpen(() => events.push("open"));
  client.onAway(({ reason }) => events.push(`away: ${reason}`));
  client.onReset(() => events.push("reset"));
  client.onClosed(({ kind }) => events.push(`closed: ${kind}`));
  return events;
}

const joined = (uid) => ({ uid, level: 1 });

// ---- Connecting ----

test("connecting sends the handshake, then the ack", async () => {
  const link = await connected({ user: { token: "t" }, info: { clientVersion: "2" } });
  const [handshake, ack] = link.sent;
  assert.deepEqual(JSON.parse(Buffer.from(handshake.body).toString()), {
    sys: { platform: "web", libVersion: "0.1.0", clientVersion: "2", serializer: "json", schema: "h1" },
    user: { token: "t" },
  });
  assert.equal(ack.type, PacketType.ACK);
  assert.equal(client.state, "open");
});

test("connect waits for the first connection, and misses no push", async () => {
  const connecting = connect(schema, options());
  await settle();
  server.last.handshake();
  server.last.push("onJoined", joined("ann"));
  client = await connecting;
  const events = record();
  await clock.advance(0);
  assert.deepEqual(events, ["push ann"]);
  assert.deepEqual(log.lines, []);
});

test("credentials are asked before every attempt", async () => {
  let asked = 0;
  const link = await connected({ user: async () => ({ token: ++asked }) });
  link.lose();
  await clock.advance(250);
  server.last.events.opened();
  assert.deepEqual(JSON.parse(Buffer.from(server.last.sent[0].body).toString()).user, { token: 2 });
});

test("credentials that fail are asked again", async () => {
  let asked = 0;
  client = createClient(schema, options({
    user: () => {
      asked += 1;
      throw new Error("no network");
    },
  }));
  const events = record();
  await clock.advance(60_000);
  assert.equal(events[0], "away: no credentials: no network");
  assert.ok(asked > 8 && asked < 20, String(asked));
  assert.equal(server.links.length, 0);
});

test("connect ends with the reason of its signal", async () => {
  const control = new AbortController();
  const connecting = connect(schema, options({ signal: control.signal }));
  await settle();
  server.last.lose();
  control.abort(new Error("enough"));
  await assert.rejects(connecting, { message: "enough" });
  assert.equal(clock.timers.size, 0);
  await assert.rejects(connect(schema, options({ signal: AbortSignal.abort(new Error("never")) })), { message: "never" });
});

test("a refused handshake is terminal, with code and payload", async () => {
  const connecting = connect(schema, options());
  await settle();
  server.last.handshake({ code: 403, user: { why: "banned" } });
  const error = await connecting.catch((reason) => reason);
  assert.ok(error instanceof ClosedError && error instanceof PitayaError);
  assert.equal(error.code, "PIT-400");
  assert.deepEqual(error.reason, { kind: "refused", code: 403, payload: { why: "banned" } });
  await clock.advance(3_600_000);
  assert.equal(server.links.length, 1);
});

test("a schema mismatch warns once, and is terminal if strict", async () => {
  const link = await connected({}, { schema: { match: false } });
  link.lose();
  await clock.advance(250);
  server.last.handshake({ schema: { match: false } });
  assert.deepEqual(log.lines, ["pitaya: the server was built from another schema than test"]);
  client.close();
  await connected({ strict: true }, { schema: { match: false } });
  assert.equal(client.state, "closed");
});

test("what no attempt can mend is an error at once", async () => {
  const { transport, ...rest } = options();
  const { WebSocket } = globalThis;
  delete globalThis.WebSocket;
  try {
    assert.throws(() => createClient(schema, rest), { name: "TypeError", message: /no WebSocket/ });
    await assert.rejects(connect(schema, rest), { name: "TypeError", message: /no WebSocket/ });
  } finally {
    if (WebSocket !== undefined) globalThis.WebSocket = WebSocket;
  }
  await assert.rejects(connect(schema, { ...options(), url: "game server" }), { name: "TypeError" });
  await assert.rejects(connect(schema, { ...options(), user: { id: 1n } }), { name: "TypeError" });
  assert.equal(server.links.length, 0);
});

test("the first failed attempt is logged, and not the next ones", async () => {
  client = createClient(schema, options({
    user: () => {
      throw new Error("no token");
    },
  }));
  await clock.advance(5_000);
  assert.deepEqual(log.lines, ["pitaya: cannot connect, tries again: no credentials: no token"]);
});

test("an address that the transport refuses is an attempt that failed", async () => {
  client = createClient(schema, options({
    transport: () => {
      throw new TypeError("invalid URL");
    },
  }));
  const events = record();
  await settle();
  assert.deepEqual(events, ["away: invalid URL"]);
});

// ---- Calls ----

test("requests resolve by id, in whatever order answers come", async () => {
  const link = await connected();
  const first = client.room.join({ name: "ann" });
  const second = client.room.leave();
  assert.deepEqual(link.messages(), [
    { type: MessageType.REQUEST, id: 1, route: "room.room.join", value: { name: "ann" } },
    { type: MessageType.REQUEST, id: 2, route: "room.room.leave", value: undefined },
  ]);
  link.respond(2, {});
  link.respond(1, joined("ann-1"));
  assert.deepEqual(await first, joined("ann-1"));
  assert.equal(await second, undefined);
});

test("dictionary codes are used in both directions", async () => {
  const link = await connected({}, { dict: { "room.room.join": 7, onJoined: 8 } });
  const dictionary = new Dictionary([["room.room.join", 7], ["onJoined", 8]]);
  void client.room.join({ name: "a" }).catch(() => {});
  assert.equal(link.messages(dictionary)[0].route, "room.room.join");
  assert.equal(link.sent.at(-1).body[0] & 1, 1);
  const events = record();
  link.packet(PacketType.DATA, Uint8Array.of(0x07, 0, 8, ...Buffer.from(JSON.stringify(joined("coded")))));
  assert.deepEqual(events, ["push coded"]);
});

test("raw routes carry bytes", async () => {
  const link = await connected();
  const request = client.room.raw(Uint8Array.of(1, 2));
  link.message({ type: MessageType.RESPONSE, id: 1 }, Uint8Array.of(3));
  assert.deepEqual([...(await request)], [3]);
});

test("an error response rejects with code and metadata, known or not", async () => {
  const link = await connected();
  const known = client.room.join({ name: "a" });
  const other = client.room.join({ name: "b" });
  const odd = client.room.join({ name: "c" });
  link.respond(1, { code: "CHAT-1", msg: "full", metadata: { room: "r" } }, { error: true });
  link.respond(2, { code: "NEW-9" }, { error: true });
  link.respond(3, { code: 5, msg: [], metadata: "x" }, { error: true });
  const error = await known.catch((reason) => reason);
  assert.deepEqual([error.code, error.message, error.metadata], ["CHAT-1", "full", { room: "r" }]);
  assert.equal(client.room.join.isError(error), true);
  const unknown = await other.catch((reason) => reason);
  assert.ok(unknown instanceof PitayaError);
  assert.deepEqual([unknown.code, unknown.message, unknown.metadata], ["NEW-9", "NEW-9", {}]);
  assert.equal(client.room.join.isError(unknown), false);
  await assert.rejects(odd, { code: "PIT-000" });
});

test("a reply that does not fit the schema rejects, the next one is fine", async () => {
  const link = await connected();
  const replies = [{ level: 1 }, { uid: "a", level: 256 }, "text", undefined];
  const requests = replies.map(() => client.room.join({ name: "a" }));
  replies.forEach((reply, i) => link.respond(i + 1, reply));
  await assert.rejects(requests[0], { code: "PIT-500", message: "unreadable reply: Joined.uid: missing" });
  await assert.rejects(requests[1], { code: "PIT-500", message: "unreadable reply: Joined.level: 256 is no u8" });
  await assert.rejects(requests[2], { code: "PIT-500" });
  await assert.rejects(requests[3], { code: "PIT-500" });
  const fine = client.room.join({ name: "a" });
  link.respond(5, joined("a"));
  assert.deepEqual(await fine, joined("a"));
});

test("a message that does not fit the schema is not sent", async () => {
  const link = await connected();
  await assert.rejects(client.room.join({}), { code: "PIT-400", message: "Join.name: missing" });
  assert.throws(() => client.room.say({ name: 1 }), { code: "PIT-400", message: "Join.name: 1 is no string" });
  await assert.rejects(client.request("x".repeat(256)), { code: "PIT-400" });
  await assert.rejects(client.room.raw(new Uint8Array(2 ** 24)), { code: "PIT-400", message: "packet too large" });
  assert.equal(link.count(PacketType.DATA), 0);
});

test("a request times out, and its late answer is dropped", async () => {
  const link = await connected({ timeout: 3_000 });
  const usual = client.room.join({ name: "a" });
  const own = client.room.join({ name: "b" }, { timeout: 500 });
  await clock.advance(500);
  await assert.rejects(own, { code: "PIT-504", message: "no answer after 500 ms" });
  link.respond(2, joined("late"));
  await clock.advance(2_500);
  await assert.rejects(usual, { code: "PIT-504" });
});

test("a signal ends a request, before and after it is sent", async () => {
  const link = await connected();
  const control = new AbortController();
  const { signal } = control;
  const request = client.room.join({ name: "a" }, { signal });
  control.abort(new Error("stop"));
  await assert.rejects(request, { message: "stop" });
  link.respond(1, joined("late"));
  await assert.rejects(client.room.leave({ signal }), { message: "stop" });
  assert.equal(link.count(PacketType.DATA), 1);
});

// ---- Pushes ----

test("a reply is with its caller before the push behind it, and before the close", async () => {
  for (const compress of [false, true]) {
    const link = await connected();
    const events = record();
    const inner = async () => client.room.join({ name: "a" });
    const middle = async () => inner();
    const done = middle().then(({ uid }) => events.push(`reply ${uid}`));
    link.respond(1, joined("a"), { compress });
    link.push("onJoined", joined("b"));
    link.packet(PacketType.KICK);
    link.lose(4000);
    await done;
    if (client.state !== "closed") await new Promise((resolve) => client.onClosed(resolve));
    assert.deepEqual(events, ["reply a", "push b", "closed: kicked"]);
  }
});

test("a promise of a listener that rejects is logged", async () => {
  const link = await connected();
  client.onAway(async () => {
    throw new Error("away");
  });
  client.onReset(() => client.room.join({ name: "a" }));
  client.on("onJoined", () => Promise.reject(new Error("push")));
  link.push("onJoined", joined("a"));
  link.lose();
  await clock.advance(250);
  server.last.handshake();
  server.last.lose();
  await settle();
  assert.deepEqual(log.lines, [
    "pitaya: push onJoined: push: push",
    "pitaya: a listener failed: away",
    "pitaya: a listener failed: the connection was lost: connection lost",
    "pitaya: a listener failed: away",
  ]);
});

test("a server that sends faster than bodies inflate is left at a bound", async () => {
  const link = await connected();
  const events = record();
  link.push("onJoined", joined("a"), { compress: true });
  const large = new Uint8Array(8 * 1024 * 1024).fill(0x20);
  for (let i = 0; i < 9; i += 1) link.message({ type: MessageType.PUSH, route: "onJoined" }, large);
  assert.deepEqual(events, ["away: too many messages wait"]);
  assert.equal(link.closed, true);
});

test("pushes keep their order though some are compressed, and come before the close", async () => {
  const link = await connected();
  const events = record();
  link.push("onJoined", joined("1"), { compress: true });
  link.push("onJoined", joined("2"));
  link.push("onJoined", joined("3"), { compress: true });
  link.packet(PacketType.KICK);
  link.lose(4000);
  assert.deepEqual(events, []);
  await new Promise((resolve) => client.onClosed(resolve));
  assert.deepEqual(events, ["push 1", "push 2", "push 3", "closed: kicked"]);
});

test("an unknown push warns once a route, however many routes", async () => {
  const link = await connected();
  for (let i = 0; i < 3; i += 1) link.push("onNews", {});
  assert.deepEqual(log.lines, ["pitaya: no listener for the push onNews"]);
  for (let i = 0; i < 1000; i += 1) link.push(`on${i}`, {});
  assert.equal(log.lines.length, 100);
  assert.equal(client.state, "open");
});

test("a push that cannot be read, or whose listener fails, does not stop the next", async () => {
  const link = await connected();
  const seen = [];
  client.on("onJoined", ({ uid }) => {
    if (uid === "bad") throw new Error("on purpose");
  });
  const stop = client.on("onJoined", ({ uid }) => seen.push(uid));
  link.push("onJoined", { uid: "x" });
  link.push("onJoined", joined("bad"));
  link.push("onJoined", joined("good"));
  stop();
  link.push("onJoined", joined("after"));
  assert.deepEqual(seen, ["bad", "good"]);
  assert.deepEqual(log.lines, [
    "pitaya: push onJoined: Joined.level: missing: Joined.level: missing",
    "pitaya: push onJoined: on purpose: on purpose",
  ]);
});

// ---- Away ----

test("a lost connection fails what waits, then comes back as a new session", async () => {
  const link = await connected();
  const events = record();
  const request = client.room.join({ name: "a" });
  link.lose(1001);
  await assert.rejects(request, { code: "PIT-499", message: "the connection was lost: the server stops" });
  assert.equal(client.state, "away");
  await clock.advance(250);
  server.last.handshake();
  server.last.push("onJoined", joined("new"));
  assert.deepEqual(events, ["away: the server stops", "reset", "push new"]);
});

test("calls wait while away, and are sent after those of onReset", async () => {
  const link = await connected();
  link.lose();
  const waiting = client.room.leave();
  client.room.say({ name: "b" });
  client.onReset(() => void client.room.join({ name: "again" }).catch(() => {}));
  await clock.advance(250);
  server.last.handshake();
  assert.deepEqual(server.last.messages().map(({ route }) => route), ["room.room.join", "room.room.leave", "room.room.say"]);
  server.last.respond(2, {});
  await waiting;
});

test("calls before the first connection wait too", async () => {
  client = createClient(schema, options());
  client.room.say({ name: "early" });
  await settle();
  server.last.handshake();
  assert.deepEqual(server.last.messages().map(({ route }) => route), ["room.room.say"]);
});

test("the queue holds 64 calls and 256 KiB, then refuses immediately", async () => {
  const link = await connected();
  link.lose();
  for (let i = 0; i < 64; i += 1) client.room.say({ name: "a" });
  await assert.rejects(client.room.leave(), { code: "PIT-503" });
  assert.throws(() => client.room.say({ name: "a" }), { code: "PIT-503" });
  client.close();
  const second = await connected();
  second.lose();
  client.room.raw(new Uint8Array(200_000)).catch(() => {});
  await assert.rejects(client.room.raw(new Uint8Array(100_000)), { code: "PIT-503" });
  client.room.raw(new Uint8Array(60_000)).catch(() => {});
});

test("a call that times out or is aborted in the queue leaves it", async () => {
  const link = await connected();
  link.lose();
  server.transport = undefined;
  const control = new AbortController();
  const slow = client.room.leave({ timeout: 100 });
  const stopped = client.room.leave({ signal: control.signal });
  control.abort(new Error("stop"));
  await assert.rejects(stopped, { message: "stop" });
  await clock.advance(100);
  await assert.rejects(slow, { code: "PIT-504" });
  await clock.advance(150);
  server.last.handshake();
  assert.deepEqual(server.last.messages(), []);
});

test("a server that is down for an hour costs nothing but attempts", async () => {
  const link = await connected();
  let aways = 0;
  client.onAway(() => {
    aways += 1;
  });
  link.lose();
  const end = clock.time + 3_600_000;
  while (clock.time < end) {
    await clock.advance(10_000);
    server.last.lose(undefined, new Error("refused"));
    await settle();
  }
  assert.ok(aways > 300 && aways < 1500, `${aways} attempts`);
  assert.ok(clock.timers.size <= 1, `${clock.timers.size} timers`);
  assert.ok(server.links.slice(0, -1).every(({ closed }) => closed));
  await clock.advance(10_000);
  server.last.handshake();
  assert.equal(client.state, "open");
});

test("two silent intervals are a loss", async () => {
  const link = await connected({}, { heartbeat: 5 });
  const events = record();
  await clock.advance(9_000);
  link.packet(PacketType.HEARTBEAT);
  await clock.advance(9_999);
  assert.equal(client.state, "open");
  await clock.advance(1);
  assert.deepEqual(events, ["away: the server is silent"]);
  assert.equal(link.closed, true);
  assert.equal(link.count(PacketType.HEARTBEAT), 4); // one of them is an answer
});

test("online and a visible page try immediately", async () => {
  const listeners = new Map();
  const target = {
    addEventListener: (type, listener) => listeners.set(type, listener),
    removeEventListener: (type) => listeners.delete(type),
  };
  const page = { ...target, visibilityState: "hidden" };
  Object.assign(globalThis, target, { document: page });
  try {
    const link = await connected();
    link.lose();
    listeners.get("visibilitychange")();
    await settle();
    assert.equal(server.links.length, 1);
    page.visibilityState = "visible";
    listeners.get("visibilitychange")();
    await settle();
    assert.equal(server.links.length, 2);
    server.last.lose();
    listeners.get("online")();
    await settle();
    assert.equal(server.links.length, 3);
    client.close();
    assert.equal(listeners.size, 0);
  } finally {
    for (const name of ["addEventListener", "removeEventListener", "document"]) delete globalThis[name];
  }
});

// ---- Closing ----

test("a client that is closed in the turn of its making listens to nothing", async () => {
  let listeners = 0;
  Object.assign(globalThis, {
    addEventListener: () => {
      listeners += 1;
    },
    removeEventListener: () => {
      listeners -= 1;
    },
  });
  try {
    createClient(schema, options()).close();
    await settle();
    assert.equal(listeners, 0);
    assert.equal(server.links.length, 0);
  } finally {
    for (const name of ["addEventListener", "removeEventListener"]) delete globalThis[name];
  }
});

test("a listener that closes the client is the last one before onClosed", async () => {
  const link = await connected();
  client.onAway(() => client.close());
  const events = record();
  link.lose();
  assert.deepEqual(events, ["closed: closed"]);
});

test("close fails what waits, and everything after it", async () => {
  const link = await connected();
  const events = record();
  const request = client.room.leave();
  client.close();
  client.close();
  link.push("onJoined", joined("late"));
  await assert.rejects(request, { name: "ClosedError", code: "PIT-499", reason: { kind: "closed" } });
  await assert.rejects(client.room.leave(), { name: "ClosedError" });
  assert.throws(() => client.room.say({ name: "a" }), { name: "ClosedError" });
  assert.deepEqual(events, ["closed: closed"]);
  assert.equal(link.closed, true);
});

test("a client may be closed from any of its listeners", async () => {
  for (const add of ["onOpen", "onAway", "onReset"]) {
    client = createClient(schema, options());
    client[add](() => client.close());
    await settle();
    server.last.handshake();
    server.last.lose();
    await clock.advance(250);
    if (add === "onReset") server.last.handshake();
    assert.equal(client.state, "closed", add);
    assert.equal(clock.timers.size, 0, add);
  }
  const link = await connected();
  client.on("onJoined", () => client.close());
  const events = record();
  link.push("onJoined", joined("1"));
  link.push("onJoined", joined("2"));
  assert.deepEqual(events, ["closed: closed", "push 1"]);
});

// ---- A server that breaks the protocol ----

for (const [what, breakIt] of [
  ["data with a wrong kind", (link) => link.packet(PacketType.DATA, Uint8Array.of(0x08, 1))],
  ["data that is cut", (link) => link.packet(PacketType.DATA, Uint8Array.of(0x06, 9, 0x61))],
  ["an unknown route code", (link) => link.packet(PacketType.DATA, Uint8Array.of(0x07, 0, 1))],
  ["a damaged compressed body", (link) => link.packet(PacketType.DATA, Uint8Array.of(0x16, 1, 0x61, 1, 2, 3))],
  ["a request", (link) => link.packet(PacketType.DATA, Uint8Array.of(0x00, 1, 1, 0x61))],
  ["a notify", (link) => link.packet(PacketType.DATA, Uint8Array.of(0x02, 1, 0x61))],
  ["a second handshake", (link) => link.handshake()],
  ["an ack", (link) => link.packet(PacketType.ACK)],
]) {
  test(`a server that sends ${what} is left, and asked again`, async () => {
    const link = await connected();
    const away = new Promise((resolve) => client.onAway(resolve));
    breakIt(link);
    assert.equal((await away).error.name, "ProtocolError");
    assert.equal(link.closed, true);
    await clock.advance(250);
    assert.equal(server.links.length, 2);
  });
}

for (const [what, breakIt] of [
  ["data", (link) => link.push("onJoined", joined("early"))],
  ["a reply that is no JSON", (link) => link.packet(PacketType.HANDSHAKE, Uint8Array.of(0x7b))],
  ["a damaged compressed reply", (link) => link.packet(PacketType.HANDSHAKE, Uint8Array.of(0x78, 0x9c, 1, 2))],
]) {
  test(`a server that begins with ${what} is left`, async () => {
    client = createClient(schema, options());
    await settle();
    const away = new Promise((resolve) => client.onAway(resolve));
    breakIt(server.last);
    assert.equal((await away).error.name, "ProtocolError");
  });
}

test("without a schema any route and value may be used", async () => {
  client = createClient(untyped, options());
  await settle();
  server.last.handshake();
  const seen = [];
  client.on("anything", (value) => seen.push(value));
  const request = client.request("a.b", [1]);
  client.notify("a.c");
  await clock.advance(0);
  server.last.respond(1, "x");
  assert.equal(await request, "x");
  await settle();
  server.last.push("anything", 5);
  assert.deepEqual(seen, [5]);
});

test("protobuf without a schema rejects, and says what it needs", async () => {
  client = createClient(untyped, options({ serializer: protobuf }));
  client.on("onX", () => {});
  await assert.rejects(client.request("a.b", {}), {
    name: "PitayaError",
    code: "PIT-400",
    message: "a.b has no Protobuf form: it needs a message of the schema",
  });
  assert.throws(() => client.notify("a.b", {}), { code: "PIT-400" });
});

test("a group with the name of a member is refused", () => {
  assert.throws(() => createClient({ ...schema, routes: { close: {} } }, options()), TypeError);
});
