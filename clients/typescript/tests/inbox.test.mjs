import assert from "node:assert/strict";
import { test } from "node:test";
import { Inbox } from "../dist/esm/inbox.js";

/** Returns the milliseconds that an inbox takes for items which each take a turn. */
async function drain(count) {
  const seen = [];
  let done;
  const all = new Promise((resolve) => {
    done = resolve;
  });
  const inbox = new Inbox((item) => {
    seen.push(item);
    if (seen.length === count) done();
    return Promise.resolve();
  });
  const release = inbox.hold();
  for (let i = 0; i < count; i += 1) inbox.add(i);
  assert.equal(inbox.cost, count);
  const start = performance.now();
  release();
  await all;
  const took = performance.now() - start;
  assert.ok(seen.every((item, i) => item === i));
  assert.equal(inbox.cost, 0);
  return took;
}

test("inbox: 200,000 items that each take a turn cost time in proportion", async () => {
  assert.ok((await drain(200_000)) < 5_000);
});

test("inbox: items that come while others are handled keep their order", async () => {
  const seen = [];
  const inbox = new Inbox((item) => {
    seen.push(item);
    if (item === 1) inbox.add(3);
    return item === 2 ? Promise.resolve() : undefined;
  });
  const release = inbox.hold();
  inbox.add(1);
  inbox.add(2);
  release();
  assert.deepEqual(seen, [1, 2]);
  inbox.add(4);
  await Promise.resolve().then(() => {});
  assert.deepEqual(seen, [1, 2, 3, 4]);
});
