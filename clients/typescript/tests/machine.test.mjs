import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff } from "../dist/esm/backoff.js";
import { CloseCode } from "../dist/esm/close.js";
import { Machine } from "../dist/esm/machine.js";
import { Dictionary } from "../dist/esm/message.js";
import { randomFrom } from "./support.mjs";

const reply = (change = {}) => ({
  code: 200,
  heartbeat: 10_000,
  serializer: "json",
  dictionary: new Dictionary(),
  schemaMatches: undefined,
  user: undefined,
  ...change,
});

const machine = (options = {}) =>
  new Machine({ serializer: "json", strict: false, connectTimeout: 10_000, random: () => 1, ...options });

/** Returns a machine that is open since time 0. */
function opened(options, change) {
  const made = machine(options);
  made.start(0);
  made.credentials(1, undefined);
  made.reply(reply(change), 0);
  return made;
}

const names = (effects) => effects.map((effect) => effect.do);

test("a connection asks, dials, acknowledges and is open", () => {
  const made = machine();
  assert.equal(made.state, "connecting");
  assert.deepEqual(made.start(0), [{ do: "ask", attempt: 1 }]);
  assert.deepEqual(made.start(0), []);
  assert.deepEqual(made.credentials(1, { token: "t" }), [{ do: "dial", user: { token: "t" } }]);
  const answer = reply();
  assert.deepEqual(made.reply(answer, 5), [{ do: "ack" }, { do: "opened", reply: answer, first: true }]);
  assert.equal(made.state, "open");
});

test("credentials of an attempt that is over are ignored", () => {
  const made = machine();
  made.start(0);
  made.tick(10_000); // too late
  assert.equal(made.state, "connecting");
  assert.deepEqual(made.credentials(1, undefined), []);
  made.tick(10_250);
  assert.deepEqual(made.credentials(1, undefined), []);
  assert.deepEqual(made.noCredentials(1, new Error("late"), 10_260), []);
  assert.deepEqual(names(made.credentials(2, undefined)), ["dial"]);
});

test("an attempt that takes too long fails, whatever it waits for", () => {
  for (const reach of [() => {}, (made) => made.credentials(1, undefined)]) {
    const made = machine();
    made.start(0);
    reach(made);
    assert.equal(made.deadline, 10_000);
    assert.deepEqual(made.tick(9_999), []);
    const [hangUp, { away, wasOpen }] = made.tick(10_000);
    assert.equal(hangUp.do, "hang up");
    assert.deepEqual([away.reason, away.retryIn, wasOpen], ["no connection after 10000 ms", 250, false]);
  }
});

test("back-off grows by 1.7 to 10 s, with full jitter", () => {
  const bounds = [0, 1, 2, 5, 6, 7, 8, 1000].map((failures) => Math.round(backoff(failures, () => 1)));
  assert.deepEqual(bounds, [250, 425, 722, 3550, 6034, 10_000, 10_000, 10_000]);
  const random = randomFrom(3);
  const delays = Array.from({ length: 1000 }, () => backoff(20, random));
  assert.ok(Math.min(...delays) < 200 && Math.max(...delays) > 9_800);
});

test("failures count up until a connection has lasted", () => {
  const made = opened();
  let now = 10_000;
  const delays = [];
  for (let i = 0; i < 4; i += 1) {
    const { away } = made.lost(now)[1];
    delays.push(Math.round(away.retryIn));
    now += away.retryIn;
    made.tick(now);
    made.credentials(i + 2, undefined);
    made.reply(reply(), now);
    now += 100; // a server that accepts and then closes
  }
  assert.deepEqual(delays, [250, 425, 722, 1228]);
  now += 5_000;
  assert.equal(made.lost(now)[1].away.retryIn, 250);
});

test("heartbeats go out every interval, and two silent intervals are a loss", () => {
  const made = opened();
  assert.equal(made.deadline, 10_000);
  assert.deepEqual(names(made.tick(10_000)), ["heartbeat"]);
  made.heard(15_000);
  assert.deepEqual(names(made.tick(20_000)), ["heartbeat"]);
  assert.deepEqual(names(made.tick(30_000)), ["heartbeat"]);
  assert.equal(made.deadline, 35_000);
  assert.deepEqual(made.tick(34_999), []);
  const [, { away, wasOpen }] = made.tick(35_000);
  assert.deepEqual([away.reason, wasOpen, made.state], ["the server is silent", true, "away"]);
});

test("a timer that fires late is not silence", () => {
  const made = opened();
  assert.deepEqual(names(made.tick(3_600_000)), ["heartbeat"]); // the computer slept
  assert.equal(made.state, "open");
  assert.equal(made.deadline, 3_610_000);
  assert.deepEqual(names(made.tick(3_610_000)), ["hang up", "away"]);
});

test("without an interval there are no heartbeats and no deadline", () => {
  const made = opened({}, { heartbeat: 0 });
  assert.equal(made.deadline, undefined);
  assert.deepEqual(made.heartbeat(100_000), []);
});

test("a heartbeat of the server is answered if the client was quiet", () => {
  const made = opened();
  assert.deepEqual(made.heartbeat(4_000), []);
  assert.deepEqual(names(made.heartbeat(6_000)), ["heartbeat"]);
  made.sent(6_000);
  assert.deepEqual(made.heartbeat(7_000), []);
});

test("terminal closes are told apart", () => {
  const payload = { why: "banned" };
  const dialing = (change, options) => {
    const made = machine(options);
    made.start(0);
    made.credentials(1, undefined);
    return made.reply(reply(change), 1);
  };
  const reason = (effects) => {
    assert.deepEqual(names(effects), ["hang up", "closed"]);
    return effects[1].reason;
  };
  assert.deepEqual(reason(dialing({ code: 403, user: payload })), { kind: "refused", code: 403, payload });
  assert.deepEqual(reason(dialing({ serializer: "protobuf" })), { kind: "serializer", serializer: "protobuf" });
  assert.deepEqual(reason(dialing({ schemaMatches: false }, { strict: true })), { kind: "schema" });
  assert.deepEqual(names(dialing({ schemaMatches: false })), ["ack", "opened"]);
  assert.deepEqual(reason(opened().close()), { kind: "closed" });
  assert.deepEqual(reason(opened().lost(1, CloseCode.KICKED)), { kind: "kicked" });
  assert.deepEqual(reason(opened().lost(1, CloseCode.REPLACED)), { kind: "replaced" });
  assert.equal(reason(opened().lost(1, CloseCode.REFUSED)).kind, "refused");
});

test("a kick waits for the close frame, not for long", () => {
  const replaced = opened();
  replaced.kick(100);
  assert.deepEqual(replaced.lost(200, CloseCode.REPLACED)[1].reason, { kind: "replaced" });
  const silent = opened();
  silent.kick(100);
  silent.kick(1_000);
  assert.equal(silent.deadline, 2_100);
  assert.deepEqual(silent.tick(2_100)[1].reason, { kind: "kicked" });
  const cut = opened();
  cut.kick(100);
  assert.deepEqual(cut.lost(200)[1].reason, { kind: "kicked" });
});

test("other closes are followed by another attempt", () => {
  for (const code of [undefined, 1000, 1001, 1002, 1009, 4003, 4004, 1011]) {
    const made = opened();
    const [, { away }] = made.lost(1, code);
    assert.equal(made.state, "away");
    assert.equal(away.code, code);
    assert.ok(away.reason.length > 5);
  }
});

test("a wake tries immediately, and does nothing while an attempt is made", () => {
  const made = opened();
  assert.deepEqual(names(made.wake(1)), ["heartbeat"]);
  made.lost(10);
  assert.deepEqual(made.wake(11), [{ do: "ask", attempt: 2 }]);
  assert.deepEqual(made.wake(12), []);
  made.close();
  assert.deepEqual(made.wake(13), []);
});

test("closed is final", () => {
  const made = opened();
  made.close();
  assert.equal(made.deadline, undefined);
  assert.equal(made.state, "closed");
  const later = [
    made.start(1), made.close(), made.lost(1), made.tick(1e9), made.kick(1), made.heartbeat(1e9),
    made.reply(reply(), 1), made.credentials(1), made.noCredentials(1, new Error("x"), 1),
  ];
  for (const effects of later) assert.deepEqual(effects, []);
});

test("a server that is down for an hour is asked some hundred times", () => {
  const made = opened({ random: randomFrom(4) });
  let effects = made.lost(0);
  let now = 0;
  let attempts = 0;
  while (now < 3_600_000) {
    assert.deepEqual(names(effects), ["hang up", "away"]);
    assert.ok(made.deadline > now || effects[1].away.retryIn < 1);
    now = made.deadline;
    attempts += 1;
    made.tick(now);
    made.credentials(attempts + 1, undefined);
    effects = made.lost(now, undefined, new Error("refused"));
  }
  // The mean of the longest delays is 5 s.
  assert.ok(attempts > 500 && attempts < 1000, `${attempts} attempts`);
  assert.deepEqual(names(made.wake(now)), ["ask"]);
});
