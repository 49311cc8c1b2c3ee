// Stand-ins for the clock and the link, so that no test waits.

import { deflateSync } from "node:zlib";
import { decodeMessage, encodeMessage, MessageType } from "../dist/esm/message.js";
import { decodePacket, encodePacket, PacketType } from "../dist/esm/packet.js";

const text = new TextEncoder();

/** Encodes a value as JSON; `undefined` is no bytes. */
export const body = (value) => text.encode(value === undefined ? "" : JSON.stringify(value));
export const hex = (bytes) => Buffer.from(bytes).toString("hex");
export const bytes = (hexText) => new Uint8Array(Buffer.from(hexText, "hex"));

/** Lets promises that are ready do their work. */
export const settle = async () => {
  for (let i = 0; i < 20; i += 1) await undefined;
};

/** A clock that moves only when a test moves it. */
export class FakeClock {
  time = 1_000;
  timers = new Set();

  now() {
    return this.time;
  }

  after(ms, work) {
    const timer = { at: this.time + ms, work };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** Moves on, and fires the timers on the way. Promises get a turn after each. */
  async advance(ms) {
    const end = this.time + ms;
    let fired = 0;
    for (;;) {
      await settle();
      const due = [...this.timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.timers.delete(due);
      this.time = Math.max(this.time, due.at);
      due.work();
      fired += 1;
    }
    this.time = end;
    return fired;
  }

  /** Moves on as a computer that slept: timers that are due fire late. */
  async sleep(ms) {
    this.time += ms;
    await this.advance(0);
  }
}

/** A transport whose server is the test. */
export class FakeServer {
  links = [];

  transport = (url, events) => {
    const link = new FakeLink(url, events);
    this.links.push(link);
    return link;
  };

  get last() {
    return this.links.at(-1);
  }
}

class FakeLink {
  sent = [];
  closed = false;

  constructor(url, events) {
    this.url = url;
    this.events = events;
  }

  // ---- The client's side ----

  send(packet) {
    this.sent.push(decodePacket(packet));
  }

  close() {
    this.closed = true;
  }

  // ---- The server's side ----

  packet(type, packetBody = new Uint8Array(0)) {
    this.events.packet(decodePacket(encodePacket(type, packetBody)));
  }

  handshake({ code = 200, heartbeat = 10, dict = {}, serializer = "json", compress = false, user, ...sys } = {}) {
    this.events.opened();
    const reply = body({ code, sys: { dict, heartbeat, serializer, ...sys }, user });
    this.packet(PacketType.HANDSHAKE, compress ? deflateSync(reply) : reply);
  }

  push(route, value, options) {
    this.message({ type: MessageType.PUSH, route }, body(value), options);
  }

  respond(id, value, options = {}) {
    this.message({ type: MessageType.RESPONSE, id, error: options.error }, body(value), options);
  }

  message(head, plain, { compress = false } = {}) {
    const message = encodeMessage({ ...head, body: compress ? deflateSync(plain) : plain });
    if (compress) message[0] |= 0x10;
    this.packet(PacketType.DATA, message);
  }

  lose(code, error) {
    this.events.lost(code, error);
  }

  /** The messages that the client sent. */
  messages(dictionary) {
    return this.sent
      .filter(({ type }) => type === PacketType.DATA)
      .map((packet) => decodeMessage(packet.body, dictionary))
      .map(({ type, id, route, body: sent }) => {
        const json = Buffer.from(sent).toString();
        return { type, id, route, value: json === "" ? undefined : JSON.parse(json) };
      });
  }

  count(type) {
    return this.sent.filter((packet) => packet.type === type).length;
  }
}

/** A logger that keeps what it is told. */
export class Log {
  lines = [];
  warn(line) {
    this.lines.push(line);
  }
  error(line, error) {
    this.lines.push(`${line}: ${error.message}`);
  }
}

/** Returns random numbers that are the same in each run. */
export function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
