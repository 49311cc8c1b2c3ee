/**
 * TCP and TLS, for Node.
 *
 * @packageDocumentation
 */

import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { ProtocolError } from "./error.js";
import { Framer } from "./packet.js";
import type { Transport } from "./transport.js";

/** Connects to `tcp://HOST:PORT` or `tls://HOST:PORT`. */
export const tcp: Transport = (url, events) => {
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== "tcp:" && protocol !== "tls:") throw new TypeError(`${url} is no tcp:// or tls:// address`);
  const secure = protocol === "tls:";
  const host = hostname.replace(/^\[|\]$/g, "");
  const target = { host, port: Number(port) };
  const socket = secure ? connectTls({ ...target, servername: host }) : connectTcp(target);
  socket.setNoDelay(true);
  const framer = new Framer();
  let done = false;
  const lose = (error?: unknown) => {
    if (done) return;
    done = true;
    socket.destroy();
    events.lost(undefined, error);
  };
  socket.once(secure ? "secureConnect" : "connect", () => events.opened());
  socket.on("data", (chunk: Uint8Array) => {
    try {
      for (const packet of framer.push(chunk)) if (!done) events.packet(packet);
    } catch (error) {
      lose(error);
    }
  });
  socket.once("close", () => lose(framer.pending > 0 ? new ProtocolError("the connection ended within a packet") : undefined));
  socket.on("error", lose);
  let corked = false;
  const uncork = () => {
    corked = false;
    socket.uncork();
  };
  return {
    // Packets of one turn leave together.
    send(packet) {
      if (!corked) {
        corked = true;
        socket.cork();
        process.nextTick(uncork);
      }
      socket.write(packet);
    },
    close() {
      done = true;
      socket.end();
      socket.destroySoon();
    },
  };
};
