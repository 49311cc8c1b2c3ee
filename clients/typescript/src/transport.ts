import { ProtocolError } from "./error.js";
import type { Packet } from "./packet.js";
import { decodePacket } from "./packet.js";

/** One connection to a server. */
export interface Link {
  /** Sends a packet. A link that is closing drops it. */
  send(packet: Uint8Array): void;
  /** Closes the link. No event comes after that. */
  close(): void;
}

/** What a link tells its owner. */
export interface LinkEvents {
  /** The link is open: packets may be sent. */
  opened(): void;
  packet(packet: Packet): void;
  /** The link is closed, or its other side broke the framing. Called once, and last. */
  lost(code: number | undefined, error?: unknown): void;
}

/** Opens a link. Throws if the address is invalid. */
export type Transport = (url: string, events: LinkEvents) => Link;

/** The part of a WebSocket that this client uses. The platform's class has it, and that of `ws`. */
export interface WebSocketLike {
  binaryType: string;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(data: any): void;
  close(): void;
}

/** A WebSocket class. */
export type WebSocketClass = new (url: string) => WebSocketLike;

/** Makes a transport of a WebSocket class: one message is one packet. Throws if there is no class. */
export function webSocketTransport(given?: WebSocketClass): Transport {
  const Class = given ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
  if (Class === undefined) throw new TypeError("this platform has no WebSocket: give the option `webSocket`");
  return (url, events) => {
    const socket = new Class(url);
    socket.binaryType = "arraybuffer";
    let done = false;
    let failure: unknown;
    const silence = () => {
      done = true;
      socket.onopen = socket.onmessage = socket.onclose = null;
      // A socket of Node that fails without a listener for that ends the process.
      socket.onerror = () => {};
    };
    const lose = (code: number | undefined, error?: unknown) => {
      if (done) return;
      silence();
      events.lost(code, error);
    };
    socket.onopen = () => events.opened();
    socket.onmessage = ({ data }) => {
      try {
        if (typeof data === "string") throw new ProtocolError("text message from the server");
        events.packet(decodePacket(new Uint8Array(data)));
      } catch (error) {
        lose(undefined, error);
        socket.close();
      }
    };
    socket.onerror = (event) => {
      failure = event?.error ?? event?.message;
    };
    // 1006 is the platform's own code for a connection that ended without a close frame.
    socket.onclose = (event) => lose(event?.code === 1006 ? undefined : event?.code, failure);
    return {
      send: (packet) => socket.send(packet),
      close() {
        silence();
        socket.close();
      },
    };
  };
}
