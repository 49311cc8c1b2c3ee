// Stand-ins for what a browser gives the client: a WebSocket whose other end is the test,
// and a clock that moves only when the test says so.

import { deflateSync } from 'node:zlib';
import * as codec from '../../examples/chat/web/codec.js';

const { PacketType, MessageType } = codec;

/** Replaces the timers and `Date.now` until `restore`. */
export class FakeClock {
  #now = 1_000_000;
  #timers = new Map();
  #lastId = 0;
  #real = {};

  constructor() {
    const add = (work, delay, every) => {
      this.#lastId += 1;
      this.#timers.set(this.#lastId, { work, at: this.#now + delay, every });
      return this.#lastId;
    };
    const remove = (id) => this.#timers.delete(id);
    this.#replace(globalThis, 'setTimeout', (work, delay) => add(work, delay));
    this.#replace(globalThis, 'setInterval', (work, delay) => add(work, delay, delay));
    this.#replace(globalThis, 'clearTimeout', remove);
    this.#replace(globalThis, 'clearInterval', remove);
    this.#replace(Date, 'now', () => this.#now);
  }

  #replace(where, name, what) {
    const before = where[name];
    this.#real[name] = () => {
      where[name] = before;
    };
    where[name] = what;
  }

  restore() {
    for (const undo of Object.values(this.#real)) undo();
  }

  get waiting() {
    return this.#timers.size;
  }

  /** Moves on by `ms`, running what falls due on the way, in order. */
  advance(ms) {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      const [id, timer] = due;
      this.#now = timer.at;
      if (timer.every === undefined) this.#timers.delete(id);
      else timer.at += timer.every;
      timer.work();
    }
    this.#now = end;
  }
}

/** The client's socket; the test plays the server. All that were made are in `FakeSocket.made`. */
export class FakeSocket {
  static made = [];
  sent = [];
  closed = false;

  constructor(url) {
    this.url = url;
    FakeSocket.made.push(this);
  }

  static get last() {
    return FakeSocket.made.at(-1);
  }

  // -- the client's side --

  send(packet) {
    this.sent.push(codec.decodePacket(packet));
  }

  close() {
    this.closed = true;
  }

  // -- the server's side --

  packet(type, body = new Uint8Array()) {
    this.onmessage({ data: codec.encodePacket(type, body).buffer });
  }

  handshake({ code = 200, heartbeat = 10, dict = {}, serializer = 'json', compress = false } = {}) {
    const json = codec.encodeBody({ code, sys: { dict, heartbeat, serializer } });
    this.packet(PacketType.HANDSHAKE, compress ? deflateSync(json) : json);
  }

  push(route, value, { compress = false } = {}) {
    this.#message({ type: MessageType.PUSH, route }, value, compress);
  }

  respond(id, value, { error = false, compress = false } = {}) {
    this.#message({ type: MessageType.RESPONSE, id, error }, value, compress);
  }

  #message(head, value, compress) {
    const plain = codec.encodeBody(value);
    const message = codec.encodeMessage({ ...head, body: compress ? deflateSync(plain) : plain });
    if (compress) message[0] |= 0x10;
    this.packet(PacketType.DATA, message);
  }

  /** The messages the client sent, decoded; `codes` as in its handshake. */
  messages(routes) {
    return this.sent
      .filter(({ type }) => type === PacketType.DATA)
      .map(({ body }) => codec.decodeMessage(body, routes))
      .map(({ type, id, route, body }) => ({ type, id, route, value: codec.decodeBody(body) }));
  }

  count(type) {
    return this.sent.filter((packet) => packet.type === type).length;
  }
}
