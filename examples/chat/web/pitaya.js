// A client of the Pitaya protocol over WebSocket, for browsers: two modules (this one
// and the codec), no dependencies. docs/protocol.md describes what goes over the wire.
//
//   const client = new PitayaClient();
//   client.on('onMessage', (message) => console.log(message));
//   await client.connect('ws://localhost:3250');
//   const reply = await client.request('room.join', { name: 'ann' });
//   client.notify('room.message', { name: 'ann', content: 'hello' });

import {
  MessageType,
  PacketType,
  ProtocolError,
  decodeBody,
  decodeHandshake,
  decodeMessage,
  decodePacket,
  encodeBody,
  encodeMessage,
  encodePacket,
  inflate,
} from './codec.js';

export { ProtocolError };

/** Why a request failed: the server's error, or PIT-504 (no answer in time), PIT-499 (closed). */
export class PitayaError extends Error {
  name = 'PitayaError';

  constructor({ code = 'PIT-000', msg = '', metadata = {} }, options) {
    super(msg || code, options);
    this.code = code;
    this.msg = msg;
    this.metadata = metadata;
  }
}

/** Events of a client; what happened is in `detail`. */
class ClientEvent extends Event {
  constructor(type, detail) {
    super(type);
    this.detail = detail;
  }
}

const closed = (why) => new PitayaError({ code: 'PIT-499', msg: why });

/** The codes of close frames that a server of Pitaya sends (docs/protocol.md, "Kick and close"). */
export const CloseCode = Object.freeze({
  NORMAL: 1000,
  GOING_AWAY: 1001,
  PROTOCOL: 1002,
  TOO_LARGE: 1009,
  KICKED: 4000,
  REPLACED: 4001,
  REFUSED: 4002,
  TIMEOUT: 4003,
  TOO_SLOW: 4004,
});

const CLOSE_REASONS = new Map([
  [CloseCode.NORMAL, 'closed by the server'],
  [CloseCode.GOING_AWAY, 'the server stops'],
  [CloseCode.PROTOCOL, 'the server refused what this client sent'],
  [CloseCode.TOO_LARGE, 'the server refused a message that is too large'],
  [CloseCode.KICKED, 'kicked by the server'],
  [CloseCode.REPLACED, 'replaced by a newer session of the same user'],
  [CloseCode.REFUSED, 'handshake refused'],
  [CloseCode.TIMEOUT, 'the server heard nothing from this client'],
  [CloseCode.TOO_SLOW, 'this client reads too slowly'],
]);

// After these, connecting again would end the same way or send another session away.
const STAY_AWAY = new Set([CloseCode.KICKED, CloseCode.REPLACED, CloseCode.REFUSED]);

// How long a server may take to close after a kick.
const KICK_GRACE_MS = 2_000;

// The longest delay a browser timer takes; a longer one would fire immediately.
const MAX_DELAY = 0x7fffffff;
const MAX_REQUEST_ID = 0xffffffff;

/**
 * One connection to a server at a time. Events, besides the pushes given to `on`:
 * - `open`: connected, also after a reconnect;
 * - `close`: an open connection is gone, or a reconnect failed; detail `{reason, code, retryInMs}`,
 *   where `code` is one of CloseCode if the server gave one, and `retryInMs` is undefined if
 *   nothing more will be tried;
 * - `kick`: the server sent this client away; `close` follows, and its code tells a kick from a
 *   session that was replaced by a newer one;
 * - `error`: something was wrong with what came in; detail is the error.
 */
export class PitayaClient extends EventTarget {
  #options;
  #handlers = new Map();
  #pending = new Map();
  #lastId = 0;
  #target; // what connect was called with
  #link; // the current connection: everything that ends with it
  #retryTimer;
  #failures = 0;

  /**
   * Times are in milliseconds. `reconnect: true` connects again after a lost
   * connection, with growing delays, but not after a kick, a newer session of the same user, a
   * refused handshake or `disconnect`.
   */
  constructor({
    connectTimeoutMs = 10_000,
    requestTimeoutMs = 10_000,
    reconnect = false,
    minRetryMs = 1_000,
    maxRetryMs = 30_000,
  } = {}) {
    super();
    this.#options = { connectTimeoutMs, requestTimeoutMs, reconnect, minRetryMs, maxRetryMs };
  }

  get connected() {
    return this.#link?.ready === true;
  }

  /**
   * Connects and shakes hands; `user` is the handshake's free data. Resolves with the
   * server's reply, rejects with a PitayaError; a failed first attempt is not repeated.
   * Ends the connection or the waiting there was before.
   */
  connect(url, { user } = {}) {
    this.disconnect();
    this.#target = { url, user };
    this.#failures = 0;
    return this.#open();
  }

  /** Closes the connection and stops reconnecting. Open requests reject. */
  disconnect() {
    clearTimeout(this.#retryTimer);
    this.#target = undefined;
    if (this.#link) this.#end(this.#link, closed('disconnected'));
  }

  /** Sends a request; resolves with the answer's value, rejects with a PitayaError. */
  request(route, message, { timeoutMs = this.#options.requestTimeoutMs } = {}) {
    return new Promise((resolve, reject) => {
      const id = this.#nextId();
      this.#sendMessage({ type: MessageType.REQUEST, id, route, body: encodeBody(message) });
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new PitayaError({ code: 'PIT-504', msg: `no answer to ${route} in time` }));
      }, Math.min(timeoutMs, MAX_DELAY));
      this.#pending.set(id, { resolve, reject, timer });
    });
  }

  /** Sends a message that has no answer. Throws a PitayaError if there is no connection. */
  notify(route, message) {
    this.#sendMessage({ type: MessageType.NOTIFY, route, body: encodeBody(message) });
  }

  /** Calls `handler` with the value of every push of this route. Returns a function that stops it. */
  on(route, handler) {
    if (!this.#handlers.has(route)) this.#handlers.set(route, new Set());
    const handlers = this.#handlers.get(route);
    handlers.add(handler);
    return () => handlers.delete(handler);
  }

  // -- one connection --

  #open() {
    const { url, user } = this.#target;
    const sys = { platform: 'web', libVersion: '1.0.0', clientBuildNumber: '1', clientVersion: '1.0.0' };
    const handshake = encodePacket(PacketType.HANDSHAKE, encodeBody({ sys, user }));
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      socket.binaryType = 'arraybuffer';
      const link = { socket, resolve, reject, ready: false, codes: new Map(), routes: new Map() };
      this.#link = link;
      link.connectTimer = setTimeout(
        () => this.#end(link, closed('no handshake in time')),
        this.#options.connectTimeoutMs,
      );
      socket.onopen = () => socket.send(handshake);
      // Inflating takes turns of the event loop, so everything that comes in, the
      // close included, waits in this chain for what came before it.
      let inbox = Promise.resolve();
      const inOrder = (work) => {
        inbox = inbox
          .then(() => (link === this.#link ? work() : undefined))
          .catch((error) => {
            this.#emit('error', error);
            this.#end(link, closed(error.message));
          });
      };
      socket.onmessage = ({ data }) => {
        this.#heard(link);
        inOrder(() => this.#receive(link, data));
      };
      socket.onclose = ({ code } = {}) => inOrder(() => this.#closedBy(link, code));
    });
  }

  /** The socket is closed; the code is the server's, or one that the browser made up. */
  #closedBy(link, code) {
    const kicked = link.kickTimer !== undefined;
    const known = CLOSE_REASONS.get(code);
    const reason = known ?? CLOSE_REASONS.get(kicked ? CloseCode.KICKED : undefined) ?? 'connection lost';
    const retry = !kicked && !STAY_AWAY.has(code);
    this.#end(link, closed(reason), { retry, code: known ? code : undefined });
  }

  /** Ends a connection, once, whatever the reason, and plans the next one if that is wanted. */
  #end(link, error, { retry = true, code } = {}) {
    if (link !== this.#link) return;
    this.#link = undefined;
    clearTimeout(link.connectTimer);
    clearTimeout(link.kickTimer);
    clearTimeout(link.silenceTimer);
    clearInterval(link.heartbeatTimer);
    link.socket.close();
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#pending.clear();
    link.reject(error); // does nothing if the connection was made
    if (!link.ready && this.#failures === 0) return; // the caller of connect knows
    const again = retry && this.#options.reconnect && this.#target !== undefined;
    const retryInMs = again ? this.#planRetry() : undefined;
    this.#emit('close', { reason: error.message, code, retryInMs });
  }

  #planRetry() {
    const { minRetryMs, maxRetryMs } = this.#options;
    const longest = Math.min(maxRetryMs, minRetryMs * 2 ** this.#failures);
    this.#failures += 1;
    // A server that comes back is not met by all of its clients in the same moment.
    const delay = longest * (0.5 + Math.random() / 2);
    // `close` tells of a failed attempt, so there is nothing left to do about it here.
    this.#retryTimer = setTimeout(() => this.#open().catch(() => {}), delay);
    return delay;
  }

  // -- in --

  async #receive(link, data) {
    if (typeof data === 'string') throw new ProtocolError('text message from the server');
    const { type, body } = decodePacket(new Uint8Array(data));
    switch (type) {
      case PacketType.HANDSHAKE:
        return this.#shakeHands(link, body);
      case PacketType.DATA:
        return this.#receiveMessage(link, body);
      case PacketType.KICK:
        // The close frame that follows says whether a newer session took the place of this one.
        link.kickTimer ??= setTimeout(() => this.#closedBy(link), KICK_GRACE_MS);
        this.#emit('kick');
        return undefined;
      case PacketType.HEARTBEAT:
        // Timers of a page in the background are slowed down, incoming messages are not:
        // answering keeps such a page alive.
        if (link.ready && Date.now() - link.lastSent >= link.heartbeatMs / 2) this.#sendHeartbeat(link);
        return undefined;
      default:
        throw new ProtocolError('a server sends no handshake ack');
    }
  }

  async #shakeHands(link, body) {
    if (link.ready) throw new ProtocolError('second handshake reply');
    const { code, heartbeatMs, serializer, codes, routes, reply } = await decodeHandshake(body);
    if (link !== this.#link) return;
    if (code !== 200 || serializer !== 'json') {
      const msg = code === 200 ? `serializer ${serializer} is not spoken here` : 'handshake refused';
      const error = new PitayaError({ code: 'PIT-400', msg }, { cause: reply });
      this.#end(link, error, { retry: false });
      return;
    }
    clearTimeout(link.connectTimer);
    Object.assign(link, { ready: true, heartbeatMs: Math.min(heartbeatMs, MAX_DELAY / 2), codes, routes });
    this.#failures = 0;
    this.#sendPacket(link, PacketType.HANDSHAKE_ACK);
    if (heartbeatMs > 0) {
      link.heartbeatTimer = setInterval(() => this.#sendHeartbeat(link), link.heartbeatMs);
      this.#heard(link);
    }
    link.resolve(reply);
    this.#emit('open', reply);
  }

  /** Any packet is a sign of life; two intervals without one end the connection ("Heartbeats"). */
  #heard(link) {
    clearTimeout(link.silenceTimer);
    if (link !== this.#link || !link.heartbeatMs) return;
    link.silenceTimer = setTimeout(() => this.#end(link, closed('server is silent')), 2 * link.heartbeatMs);
  }

  async #receiveMessage(link, bytes) {
    if (!link.ready) throw new ProtocolError('data before the handshake reply');
    const message = decodeMessage(bytes, link.routes);
    const body = message.compressed ? await inflate(message.body) : message.body;
    if (link !== this.#link) return;
    if (message.type === MessageType.RESPONSE) {
      this.#answer(message, body);
    } else if (message.type === MessageType.PUSH) {
      this.#push(message.route, body);
    } else {
      throw new ProtocolError('a server sends responses and pushes only');
    }
  }

  #answer({ id, error }, body) {
    const waiting = this.#pending.get(id);
    if (!waiting) return; // its time was up
    this.#pending.delete(id);
    clearTimeout(waiting.timer);
    try {
      const value = decodeBody(body);
      if (error) waiting.reject(new PitayaError(value ?? {}));
      else waiting.resolve(value);
    } catch (cause) {
      waiting.reject(new PitayaError({ msg: `unreadable answer: ${cause.message}` }, { cause }));
    }
  }

  #push(route, body) {
    // A body or a handler that fails concerns this push only; the next ones still come.
    try {
      const value = decodeBody(body);
      for (const handler of [...(this.#handlers.get(route) ?? [])]) handler(value);
    } catch (error) {
      this.#emit('error', error);
    }
  }

  #emit(type, detail) {
    this.dispatchEvent(new ClientEvent(type, detail));
  }

  // -- out --

  #sendMessage(message) {
    if (!this.connected) throw closed('not connected');
    const bytes = encodeMessage(message, this.#link.codes);
    this.#sendPacket(this.#link, PacketType.DATA, bytes);
  }

  #sendHeartbeat(link) {
    this.#sendPacket(link, PacketType.HEARTBEAT);
  }

  #sendPacket(link, type, body) {
    const packet = encodePacket(type, body);
    link.lastSent = Date.now();
    // A socket that is closing drops what is sent, quietly; `onclose` is on its way.
    link.socket.send(packet);
  }

  /** Ids go around within 32 bits, past 0 (no answer) and past those still waiting. */
  #nextId() {
    do {
      this.#lastId = this.#lastId >= MAX_REQUEST_ID ? 1 : this.#lastId + 1;
    } while (this.#pending.has(this.#lastId));
    return this.#lastId;
  }
}
