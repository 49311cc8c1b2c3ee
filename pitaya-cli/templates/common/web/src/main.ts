// The page: logs in, joins the room, shows who is there and what they say.
//
// `game.ts` is generated from the server's schema, with the types of all calls and pushes.

import { createClient } from "@pitaya/client";
import type { GameClient } from "./game.js";
import { Game } from "./game.js";

function $<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no element "${id}"`);
  return element as T;
}

const port = document.querySelector<HTMLMetaElement>('meta[name="pitaya-ws"]')?.content;
const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.hostname}:${port}`;
const members = new Set<string>();
let game: GameClient | undefined;

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  join($<HTMLInputElement>("name").value.trim());
});

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = $<HTMLInputElement>("text");
  const text = field.value;
  field.value = "";
  game?.room.say({ text }).catch((error) => show(`Not sent: ${text} (${error.message})`));
});

function join(name: string): void {
  game?.close();
  state("Connecting…");
  const client = createClient(Game, { url });
  game = client;
  client.on("onJoined", ({ uid }) => {
    members.add(uid);
    showMembers();
    show(`${uid} joined`);
  });
  client.on("onLeft", ({ uid }) => {
    members.delete(uid);
    showMembers();
    show(`${uid} left`);
  });
  client.on("onMessage", ({ uid, text }) => show(`${uid}: ${text}`));
  // The session of a new connection is a new one, so the page logs in again.
  client.onOpen(() => void enter(client, name));
  client.onReset(() => void enter(client, name));
  client.onAway(({ reason }) => state(`Disconnected (${reason}). Trying again…`));
  client.onClosed(({ kind }) => kind !== "closed" && end(`The server ended the session (${kind}).`));
}

async function enter(client: GameClient, name: string): Promise<void> {
  try {
    const { uid } = await client.entry.login({ name });
    const joined = await client.room.join();
    members.clear();
    for (const member of joined.members) members.add(member);
    showMembers();
    state(`Connected as ${uid}`);
    $("login").hidden = true;
    $("room").hidden = false;
    $("text").focus();
  } catch (error) {
    // `onAway` tells of a connection that was lost meanwhile.
    if (client.state !== "open") return;
    client.close();
    end(client.entry.login.isError(error) ? `This name cannot be used: ${error.message}.` : String(error));
  }
}

function end(why: string): void {
  state(why);
  $("login").hidden = false;
  $("room").hidden = true;
}

function state(text: string): void {
  $("state").textContent = text;
}

function showMembers(): void {
  $("members").textContent = [...members].sort().join(", ");
}

function show(text: string): void {
  const line = document.createElement("li");
  line.textContent = text;
  $("log").append(line);
}

// The others see a closed tab immediately, not after a missed heartbeat.
addEventListener("pagehide", () => game?.close());
