// The chat page: joins the room, shows who is there and what they say.
//
// `chat.ts` is generated from the server's schema, with the types of all calls and pushes.

import type { Away, CloseReason } from "@pitaya/client";
import { createClient } from "@pitaya/client";
import type { ChatClient } from "./chat.js";
import { Chat } from "./chat.js";
import { Room } from "./room.js";
import { Log, memberItem } from "./view.js";

function $<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no element "${id}"`);
  return element as T;
}

const log = new Log($("log"), $("newest"));
const nameField = $<HTMLInputElement>("name");
const textField = $<HTMLTextAreaElement>("text");
const room = new Room();
let myName = "";
let client: ChatClient | undefined;

// A tab remembers its name, so that a reload comes back into the room.
const memory = {
  get: () => sessionStorage.getItem("name") ?? "",
  set: (name: string) => sessionStorage.setItem("name", name),
  clear: () => sessionStorage.removeItem("name"),
};

function serverUrl(): string {
  const asked = new URLSearchParams(location.search).get("ws");
  const port = Number(asked ?? document.querySelector<HTMLMetaElement>('meta[name="pitaya-ws"]')?.content);
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new Error(`"${asked}" is not a port`);
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.hostname}:${port}`;
}

// ---- Joining and leaving ----

function join(name: string): void {
  client?.close();
  myName = name;
  $("join-error").textContent = "";
  setState("waiting", "Connecting…");
  const chat = createClient(Chat, { url: serverUrl() });
  client = chat;
  listen(chat);
  chat.onOpen(() => void enterRoom(chat));
  chat.onReset(() => void enterRoom(chat));
  chat.onAway((away) => onAway(chat, away));
  chat.onClosed(onClosed);
}

async function enterRoom(chat: ChatClient): Promise<void> {
  room.reset();
  try {
    const { code, result, uid } = await chat.room.join({ name: myName });
    if (code !== 0) throw new Error(result);
    room.uid = uid;
  } catch (error) {
    // A connection lost meanwhile is told by its own event.
    if (chat.state !== "open") return;
    chat.close();
    fail(`The server did not let you in (${error instanceof Error ? error.message : String(error)}).`);
    return;
  }
  memory.set(myName);
  setState("online", "Connected");
  log.notice(`You joined as ${myName}`);
  showRoom(true);
  showMembers();
  textField.focus();
}

function leave(): void {
  memory.clear();
  client?.close();
  log.clear();
  showRoom(false);
  setState("offline", "Not connected");
}

function onAway(chat: ChatClient, { reason }: Away): void {
  room.uid = undefined;
  if ($("room").hidden) {
    // Nobody is in the room yet, so the person decides whether to try again.
    chat.close();
    fail(`The server cannot be reached (${reason}).`);
  } else {
    showLost(`Disconnected: ${reason}. Trying again…`, "waiting");
  }
}

function onClosed(reason: CloseReason): void {
  room.uid = undefined;
  if (reason.kind === "replaced") fail("You are connected from another place.");
  else if (reason.kind === "kicked") fail("The server has sent you away.");
  else if (reason.kind !== "closed") fail(`The server did not let you in (${reason.kind}).`);
}

/** Says why this page is not in the room, where the person is looking. */
function fail(why: string): void {
  room.uid = undefined;
  if ($("room").hidden) {
    setState("lost", "Not connected");
    $("join-error").textContent = why;
    nameField.value ||= myName;
  } else {
    showLost(why, "lost");
  }
}

// The others see a reload or a closed tab immediately, not after a missed heartbeat.
addEventListener("pagehide", () => client?.close());
// A page brought back from the browser's cache has no connection any more.
addEventListener("pageshow", (event) => {
  if (event.persisted && memory.get()) join(memory.get());
});

// ---- Pushes ----

function listen(chat: ChatClient): void {
  chat.on("onNames", ({ names }) => {
    room.setNames(names);
    showMembers();
  });
  chat.on("onMembers", ({ members }) => {
    for (const uid of members) room.add(uid);
    showMembers();
  });
  chat.on("onNewUser", ({ content }) => {
    // "New user: ann-3". A list that names the newcomer may have come before this, or come later.
    const uid = /(\S+)\s*$/.exec(content)?.[1];
    if (uid === undefined || !room.add(uid)) return;
    if (room.uid !== undefined) log.notice(`${room.nameOf(uid)} joined`);
    showMembers();
  });
  chat.on("onUserLeft", ({ uid }) => {
    if (room.remove(uid) && room.uid !== undefined) log.notice(`${room.nameOf(uid)} left`);
    showMembers();
  });
  chat.on("onMessage", ({ name, content }) => {
    log.message({ name, content, mine: name === myName && room.isEcho(content) });
  });
}

function showMembers(): void {
  const people = room.people();
  const namesakes = (name: string) => people.filter((person) => person.name === name).length > 1;
  $("members").replaceChildren(...people.map((person) => memberItem(person, namesakes(person.name))));
  $("count").textContent = String(people.length);
}

async function say(): Promise<void> {
  const content = textField.value.trim();
  if (content === "" || room.uid === undefined || client === undefined) return;
  room.say(content);
  textField.value = "";
  log.toNewest();
  try {
    await client.room.message({ name: myName, content });
  } catch (error) {
    // It may have come back before the error; else nothing of it will.
    room.isEcho(content);
    log.notice(`Not sent: ${content} (${error instanceof Error ? error.message : String(error)})`);
    textField.value ||= content;
  }
}

// ---- The page's parts ----

function button(form: string): HTMLButtonElement {
  return $(form).querySelector("button") as HTMLButtonElement;
}

function setState(state: "offline" | "waiting" | "online" | "lost", text: string): void {
  $("state").dataset["state"] = state;
  $("room").dataset["state"] = state;
  textField.placeholder = state === "online" ? "Write a message" : "Not connected";
  $("state").textContent = text;
  $("lost").hidden = true;
  button("say").disabled = state !== "online";
  button("join").disabled = state === "waiting";
}

function showLost(why: string, state: "waiting" | "lost"): void {
  setState(state, state === "waiting" ? "Reconnecting…" : "Disconnected");
  $("lost-text").textContent = why;
  $("lost").hidden = false;
}

function showRoom(inside: boolean): void {
  $("welcome").hidden = inside;
  $("room").hidden = !inside;
  $("leave").hidden = !inside;
  if (!inside) {
    nameField.value = myName;
    nameField.focus();
  }
}

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = nameField.value.trim();
  if (name) join(name);
});
$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  void say();
});
textField.addEventListener("keydown", (event) => {
  // Enter while composing (Japanese, Chinese, …) picks a character; it sends nothing.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  void say();
});
$("leave").addEventListener("click", leave);
$("reconnect").addEventListener("click", () => join(myName));

if (memory.get()) join(memory.get());
