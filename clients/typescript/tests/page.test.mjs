// The page of the chat in a browser: the program in CHROMIUM, or /usr/bin/chromium.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { test } from "node:test";
import { WebSocketServer } from "ws";
import { decodeMessage, encodeMessage, MessageType } from "../dist/esm/message.js";
import { decodePacket, encodePacket, PacketType } from "../dist/esm/packet.js";
import { openPage } from "./programs.mjs";
import { body } from "./support.mjs";

const folder = new URL("../../../examples/chat/web/", import.meta.url);
const TYPES = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };

/** Starts a chat that lets everybody in, and ends the connection of whoever says something. */
async function deafChat(t) {
  const chat = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  t.after(() => chat.close());
  chat.on("connection", (socket) => {
    socket.on("message", (bytes) => {
      const { type, body: data } = decodePacket(new Uint8Array(bytes));
      if (type === PacketType.HANDSHAKE) {
        const reply = body({ code: 200, sys: { heartbeat: 30, serializer: "json" } });
        return socket.send(encodePacket(PacketType.HANDSHAKE, reply));
      }
      if (type !== PacketType.DATA) return;
      const { id, route } = decodeMessage(data);
      if (route !== "room.room.join") return socket.terminate();
      const joined = body({ code: 0, result: "success", uid: "ann-1" });
      socket.send(encodePacket(PacketType.DATA, encodeMessage({ type: MessageType.RESPONSE, id, body: joined })));
    });
  });
  await once(chat, "listening");
  return chat.address().port;
}

test("page: a message that is not sent is told, and its text is kept", async (t) => {
  const port = await deafChat(t);
  const site = createServer((request, response) => {
    const name = new URL(request.url, "http://page").pathname.slice(1) || "index.html";
    response.setHeader("Content-Type", TYPES[name.split(".").pop()] ?? "text/plain");
    response.end(["index.html", "chat.js", "style.css", "icon.svg"].includes(name) ? readFileSync(new URL(name, folder)) : "");
  }).listen(0, "127.0.0.1");
  await once(site, "listening");
  t.after(() => site.close());
  const { page, complaints } = await openPage(t, `http://127.0.0.1:${site.address().port}/?ws=${port}`);
  await page.fill("#name", "ann");
  await page.press("#name", "Enter");
  await page.waitForSelector("#room[data-state=online]");
  await page.fill("#text", "hello there");
  await page.press("#text", "Enter");
  await page.waitForFunction(() => document.querySelector("#log").textContent.includes("Not sent: hello there"), undefined, { timeout: 10_000 });
  assert.equal(await page.inputValue("#text"), "hello there");
  assert.deepEqual(complaints, []);
});
