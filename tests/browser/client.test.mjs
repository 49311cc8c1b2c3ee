// The chat example's client with a stand-in for the server and for the clock.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { MessageType, PacketType } from '../../examples/chat/web/codec.js';
import { CloseCode, PitayaClient } from '../../examples/chat/web/pitaya.js';
import { FakeClock, FakeSocket } from './fakes.mjs';

let clock;
let client;

beforeEach(() => {
  clock = new FakeClock();
  FakeSocket.made = [];
  globalThis.WebSocket = FakeSocket;
});

afterEach(() => {
  client.disconnect();
  const left = clock.waiting;
  clock.restore();
  assert.equal(left, 0, 'a disconnected client leaves no timers');
});

/** The next event of a client, or of one kind of push. */
const event = (type) => new Promise((resolve) => client.addEventListener(type, ({ detail }) => resolve(detail), { once: true }));
const push = (route) =>
  new Promise((resolve) => {
    const stop = client.on(route, (value) => {
      stop();
      resolve(value);
    });
  });

async function connected(options, handshake) {
  client = new PitayaClient(options);
  const connecting = client.connect('ws://server:3250', { user: { from: 'test' } });
  FakeSocket.last.onopen();
  FakeSocket.last.handshake(handshake);
  await connecting;
  return FakeSocket.last;
}

test('connecting sends a handshake with the user data, then the ack', async () => {
  const socket = await connected();
  const [{ body }, ack] = socket.sent;
  assert.deepEqual(JSON.parse(new TextDecoder().decode(body)).user, { from: 'test' });
  assert.equal(ack.type, PacketType.HANDSHAKE_ACK);
  assert.equal(client.connected, true);
});

test('a request resolves with the answer of its id, in whatever order answers come', async () => {
  const socket = await connected();
  const first = client.request('room.join', { name: 'ann' });
  const second = client.request('room.list');
  assert.deepEqual(socket.messages(), [
    { type: MessageType.REQUEST, id: 1, route: 'room.join', value: { name: 'ann' } },
    { type: MessageType.REQUEST, id: 2, route: 'room.list', value: undefined },
  ]);
  socket.respond(2, ['ann']);
  socket.respond(1, { code: 0 });
  socket.respond(77, 'nobody asked');
  assert.deepEqual(await first, { code: 0 });
  assert.deepEqual(await second, ['ann']);
});

test('an error response rejects with code, msg and metadata', async () => {
  const socket = await connected();
  const request = client.request('room.join');
  socket.respond(1, { code: 'PIT-404', msg: 'not found', metadata: { route: 'x' } }, { error: true });
  await assert.rejects(request, { code: 'PIT-404', msg: 'not found', metadata: { route: 'x' } });
});

test('a request without an answer rejects after its timeout, and a late answer does no harm', async () => {
  const socket = await connected({ requestTimeoutMs: 500 });
  const request = client.request('room.join');
  clock.advance(500);
  await assert.rejects(request, { code: 'PIT-504' });
  const seen = push('onMessage');
  socket.respond(1, {});
  socket.push('onMessage', 'still here');
  assert.equal(await seen, 'still here');
});

test('pushes arrive in order though some of them are compressed', async () => {
  const socket = await connected();
  const seen = [];
  client.on('n', (value) => seen.push(value));
  for (let i = 0; i < 50; i += 1) socket.push('n', i, { compress: i % 3 === 0 });
  const last = push('last');
  socket.push('last', 'end');
  await last;
  assert.deepEqual(seen, Array.from({ length: 50 }, (_, i) => i));
});

test('a compressed handshake and its dictionary are used both ways', async () => {
  const dict = { 'room.join': 1, 'room.message': 2, onMessage: 4 };
  const socket = await connected({}, { dict, compress: true });
  client.notify('room.message', 'hello 🐉');
  const [{ body }] = socket.sent.filter(({ type }) => type === PacketType.DATA);
  assert.deepEqual([...body.subarray(0, 3)], [0x03, 0, 2]);
  const seen = push('onMessage');
  socket.packet(PacketType.DATA, Uint8Array.of(0x07, 0, 4, 0x31));
  assert.equal(await seen, 1);
});

test('a handshake that is refused rejects, and is not tried again', async () => {
  client = new PitayaClient({ reconnect: true });
  const connecting = client.connect('ws://server:3250');
  FakeSocket.last.onopen();
  FakeSocket.last.handshake({ code: 400 });
  await assert.rejects(connecting, { code: 'PIT-400' });
  assert.equal(clock.waiting, 0);
});

test('a server that never answers the handshake is given up', async () => {
  client = new PitayaClient({ connectTimeoutMs: 3000 });
  const connecting = client.connect('ws://server:3250');
  FakeSocket.last.onopen();
  clock.advance(3000);
  await assert.rejects(connecting, { code: 'PIT-499' });
  assert.equal(FakeSocket.last.closed, true);
});

test('heartbeats go out every interval, and two silent intervals end the connection', async () => {
  const socket = await connected();
  clock.advance(10_000);
  assert.equal(socket.count(PacketType.HEARTBEAT), 1);
  socket.packet(PacketType.HEARTBEAT);
  const request = client.request('room.join', undefined, { timeoutMs: 60_000 });
  clock.advance(19_999);
  assert.equal(client.connected, true);
  const close = event('close');
  clock.advance(1);
  assert.deepEqual(await close, { reason: 'server is silent', code: undefined, retryInMs: undefined });
  await assert.rejects(request, { code: 'PIT-499' });
  assert.equal(socket.closed, true);
});

test('a lost connection is made again with growing delays until it holds', async () => {
  const socket = await connected({ reconnect: true, minRetryMs: 1000, maxRetryMs: 4000 });
  let lost = event('close');
  socket.onclose();
  for (const longest of [1000, 2000, 4000, 4000]) {
    const { retryInMs } = await lost;
    assert.ok(retryInMs >= longest / 2 && retryInMs <= longest, `${retryInMs} of ${longest}`);
    const before = FakeSocket.made.length;
    clock.advance(retryInMs);
    assert.equal(FakeSocket.made.length, before + 1);
    lost = event('close');
    FakeSocket.last.onclose();
  }
  clock.advance((await lost).retryInMs);
  const open = event('open');
  FakeSocket.last.onopen();
  FakeSocket.last.handshake();
  await open;
  assert.equal(client.connected, true);
});

test('a kicked client stays away', async () => {
  const socket = await connected({ reconnect: true });
  const kick = event('kick');
  const close = event('close');
  socket.packet(PacketType.KICK);
  await kick;
  socket.onclose({ code: CloseCode.KICKED });
  assert.deepEqual(await close, { reason: 'kicked by the server', code: 4000, retryInMs: undefined });
  assert.equal(clock.waiting, 0);
});

test('a kicked client does not wait for a server that stays', async () => {
  const socket = await connected({ reconnect: true });
  const kick = event('kick');
  const close = event('close');
  socket.packet(PacketType.KICK);
  await kick;
  clock.advance(2_000);
  assert.deepEqual(await close, { reason: 'kicked by the server', code: undefined, retryInMs: undefined });
  assert.equal(socket.closed, true);
});

for (const [name, reason, again] of [
  ['NORMAL', 'closed by the server', true],
  ['GOING_AWAY', 'the server stops', true],
  ['PROTOCOL', 'the server refused what this client sent', true],
  ['TOO_LARGE', 'the server refused a message that is too large', true],
  ['REPLACED', 'replaced by a newer session of the same user', false],
  ['REFUSED', 'handshake refused', false],
  ['TIMEOUT', 'the server heard nothing from this client', true],
  ['TOO_SLOW', 'this client reads too slowly', true],
]) {
  test(`the close code ${name} is told`, async () => {
    const socket = await connected({ reconnect: true });
    const close = event('close');
    socket.onclose({ code: CloseCode[name] });
    const { retryInMs, ...told } = await close;
    assert.deepEqual(told, { reason, code: CloseCode[name] });
    assert.equal(retryInMs !== undefined, again);
  });
}

test('a close without a code of the server is a lost connection', async () => {
  const socket = await connected();
  const close = event('close');
  socket.onclose({ code: 1006 });
  assert.deepEqual(await close, { reason: 'connection lost', code: undefined, retryInMs: undefined });
});

test('disconnecting while a reconnect is due stops it', async () => {
  const socket = await connected({ reconnect: true });
  const close = event('close');
  socket.onclose();
  await close;
  client.disconnect();
  clock.advance(120_000);
  assert.equal(FakeSocket.made.length, 1);
});

test('without a connection a request rejects and a notify throws', async () => {
  client = new PitayaClient();
  await assert.rejects(client.request('room.join'), { code: 'PIT-499' });
  assert.throws(() => client.notify('room.message'), { code: 'PIT-499' });
});

for (const [what, breakIt] of [
  ['a wrong packet type', (socket) => socket.onmessage({ data: Uint8Array.of(9, 0, 0, 0).buffer })],
  ['two packets in one message', (socket) => socket.onmessage({ data: Uint8Array.of(3, 0, 0, 0, 3, 0, 0, 0).buffer })],
  ['text', (socket) => socket.onmessage({ data: 'hello' })],
  ['a damaged compressed body', (socket) => socket.packet(PacketType.DATA, Uint8Array.of(0x16, 1, 0x61, 1, 2, 3))],
  ['a request', (socket) => socket.packet(PacketType.DATA, Uint8Array.of(0x00, 1, 1, 0x61))],
  ['a second handshake', (socket) => socket.handshake()],
  ['an ack', (socket) => socket.packet(PacketType.HANDSHAKE_ACK)],
]) {
  test(`a server that sends ${what} is left`, async () => {
    const socket = await connected();
    const error = event('error');
    const close = event('close');
    breakIt(socket);
    assert.equal((await error).name, 'ProtocolError');
    await close;
    assert.equal(socket.closed, true);
  });
}

test('a push that is not JSON, or whose handler throws, does not stop the next one', async () => {
  const socket = await connected();
  const errors = [];
  client.addEventListener('error', ({ detail }) => errors.push(detail.message));
  client.on('bad', () => {
    throw new Error('handler');
  });
  const seen = push('good');
  socket.packet(PacketType.DATA, Uint8Array.of(0x06, 3, 0x62, 0x61, 0x64, 0x7b));
  socket.push('bad', 1);
  socket.push('good', 2);
  assert.equal(await seen, 2);
  assert.deepEqual(errors, ['body is not JSON', 'handler']);
});
