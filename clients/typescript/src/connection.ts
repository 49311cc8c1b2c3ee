// Drives the state machine: does its effects, and gives it what happens on the link and the clock.

import type { Away, CloseReason } from "./close.js";
import type { Clock } from "./clock.js";
import { ProtocolError } from "./error.js";
import type { ClientInfo, Reply } from "./handshake.js";
import { decodeHandshake, encodeHandshake } from "./handshake.js";
import { Inbox } from "./inbox.js";
import { inflate } from "./inflate.js";
import type { Effect, MachineOptions, State } from "./machine.js";
import { Machine } from "./machine.js";
import type { Message, Outgoing } from "./message.js";
import { decodeMessage, Dictionary, encodeMessage, MessageType } from "./message.js";
import type { Packet } from "./packet.js";
import { encodePacket, PacketType } from "./packet.js";
import type { Link, Transport } from "./transport.js";
import { onWake } from "./wake.js";

/** Data of the user for the handshake. */
export type User = object | undefined;

export interface ConnectionOptions extends MachineOptions {
  readonly url: string;
  readonly user: User | (() => User | Promise<User>);
  readonly info: ClientInfo;
  readonly transport: Transport;
  readonly clock: Clock;
}

/** What a connection tells its owner, in the order in which it happened. */
export interface ConnectionEvents {
  /** The connection is open. Messages follow. */
  opened(reply: Reply, first: boolean): void;
  /** A message came. Its body is not compressed. What comes next waits for the promise. */
  message(message: Message): void | Promise<void>;
  away(away: Away, wasOpen: boolean): void;
  /** The last event. */
  closed(reason: CloseReason): void;
}

const HEARTBEAT = encodePacket(PacketType.HEARTBEAT);
const ACK = encodePacket(PacketType.ACK);
/** The bytes that may wait to be handled. */
const MOST_WAITING = 64 * 1024 * 1024;
/** The memory of a packet besides its body, in bytes. */
const PACKET_COST = 64;

/** One attempt to connect, and the connection that it became. */
interface Current {
  link?: Link;
  dictionary: Dictionary;
  readonly inbox: Inbox<Packet | Lost>;
  /** Ends the turn of whoever waits for the connection. */
  stopTurn?: () => void;
}

interface Lost {
  readonly lost: true;
  readonly code: number | undefined;
  readonly error: unknown;
}

export class Connection {
  private readonly machine: Machine;
  private current: Current | undefined;
  private timer: { readonly at: number; readonly stop: () => void } | undefined;
  private stopWake = () => {};

  constructor(
    private readonly options: ConnectionOptions,
    private readonly events: ConnectionEvents,
  ) {
    this.machine = new Machine(options);
  }

  get state(): State {
    return this.machine.state;
  }

  start(): void {
    if (this.state === "closed") return;
    this.stopWake = onWake(() => this.run(this.machine.wake(this.now())));
    this.run(this.machine.start(this.now()));
  }

  close(): void {
    this.run(this.machine.close());
  }

  /** Sends a message on the open connection. Throws a {@link ProtocolError} if it cannot be encoded. */
  send(message: Outgoing): void {
    this.write(encodePacket(PacketType.DATA, encodeMessage(message, this.current?.dictionary)));
  }

  private now(): number {
    return this.options.clock.now();
  }

  private write(packet: Uint8Array): void {
    this.machine.sent(this.now());
    this.current?.link?.send(packet);
  }

  private run(effects: readonly Effect[]): void {
    for (const effect of effects) this.perform(effect);
    this.schedule();
  }

  private perform(effect: Effect): void {
    switch (effect.do) {
      case "ask":
        return this.ask(effect.attempt);
      case "dial":
        return this.dial(effect.user);
      case "ack":
        return this.write(ACK);
      case "heartbeat":
        return this.write(HEARTBEAT);
      case "hang up": {
        const { current } = this;
        this.current = undefined;
        current?.stopTurn?.();
        return current?.link?.close();
      }
      case "opened":
        return this.opened(effect.reply, effect.first);
      case "away":
        return this.events.away(effect.away, effect.wasOpen);
      case "closed":
        this.stopWake();
        return this.events.closed(effect.reason);
    }
  }

  private opened(reply: Reply, first: boolean): void {
    const current = this.current as Current;
    current.dictionary = reply.dictionary;
    // Whoever waits for the connection gets a turn to add its listeners before the first push comes.
    if (first) current.stopTurn = this.options.clock.after(0, current.inbox.hold());
    this.events.opened(reply, first);
  }

  private ask(attempt: number): void {
    const { user } = this.options;
    const answer = (data: User) => this.run(this.machine.credentials(attempt, data));
    if (typeof user !== "function") return answer(user);
    const refuse = (error: unknown) => this.run(this.machine.noCredentials(attempt, error, this.now()));
    new Promise<User>((resolve) => resolve(user())).then(answer, refuse);
  }

  private dial(user: User): void {
    const { options } = this;
    const current: Current = {
      dictionary: new Dictionary(),
      inbox: new Inbox(
        (item) => this.receive(current, item),
        (item) => PACKET_COST + ("lost" in item ? 0 : item.body.length),
      ),
    };
    this.current = current;
    try {
      const handshake = encodePacket(PacketType.HANDSHAKE, encodeHandshake(options.info, user));
      const link = options.transport(options.url, {
        opened: () => current.link?.send(handshake),
        packet: (packet) => {
          if (this.current !== current) return;
          this.machine.heard(this.now());
          current.inbox.add(packet);
          if (current.inbox.cost > MOST_WAITING) this.broken(new ProtocolError("too many messages wait"));
        },
        lost: (code, error) => current.inbox.add({ lost: true, code, error }),
      });
      current.link = link;
    } catch (error) {
      this.broken(error);
    }
  }

  private broken(error: unknown): void {
    this.run(this.machine.lost(this.now(), undefined, error));
  }

  /** Handles what came on a link, unless the link is given up already. */
  private receive(current: Current, item: Packet | Lost): void | Promise<void> {
    if (this.current !== current) return;
    if ("lost" in item) return this.run(this.machine.lost(this.now(), item.code, item.error));
    try {
      return this.packet(current, item);
    } catch (error) {
      this.broken(error);
    }
  }

  private packet(current: Current, { type, body }: Packet): void | Promise<void> {
    switch (type) {
      case PacketType.DATA: {
        if (this.state !== "open") throw new ProtocolError("data before the handshake reply");
        const message = decodeMessage(body, current.dictionary);
        if (message.type !== MessageType.RESPONSE && message.type !== MessageType.PUSH) {
          throw new ProtocolError("a server sends responses and pushes only");
        }
        if (!message.compressed) return this.events.message(message);
        return this.later(current, inflate(message.body), (plain) => this.events.message({ ...message, body: plain }));
      }
      case PacketType.HEARTBEAT:
        return this.run(this.machine.heartbeat(this.now()));
      case PacketType.HANDSHAKE: {
        if (this.state === "open") throw new ProtocolError("second handshake reply");
        const take = (reply: Reply) => this.run(this.machine.reply(reply, this.now()));
        const reply = decodeHandshake(body);
        return reply instanceof Promise ? this.later(current, reply, take) : take(reply);
      }
      case PacketType.KICK:
        return this.run(this.machine.kick(this.now()));
      default:
        throw new ProtocolError("a server sends no handshake ack");
    }
  }

  private later<T>(current: Current, work: Promise<T>, then: (value: T) => void | Promise<void>): Promise<void> {
    return work.then(
      (value) => (this.current === current ? then(value) : undefined),
      (error: unknown) => {
        if (this.current === current) this.broken(error);
      },
    );
  }

  /** Keeps one timer, which fires at the machine's deadline or before. */
  private schedule(): void {
    const at = this.machine.deadline;
    if (this.timer !== undefined && at !== undefined && this.timer.at <= at) return;
    this.timer?.stop();
    this.timer = undefined;
    if (at === undefined) return;
    const stop = this.options.clock.after(Math.max(0, at - this.now()), () => {
      this.timer = undefined;
      this.run(this.machine.tick(this.now()));
    });
    this.timer = { at, stop };
  }
}
