// Elements of the chat page. Whatever people write goes in as text, never as HTML.

import type { Person } from "./room.js";

/** A message of a person; `mine` if this page said it. */
export interface Message {
  readonly name: string;
  readonly content: string;
  readonly mine: boolean;
}

/** Lines kept in the log; the oldest go first. */
const MAX_LINES = 500;
/** Messages of one person closer together than this stand under one name. */
const ONE_BREATH_MS = 3 * 60_000;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

function element(tag: string, className: string, ...children: (Node | string)[]): HTMLElement {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function timeElement(at: Date): HTMLElement {
  const time = document.createElement("time");
  time.append(clock.format(at));
  time.dateTime = at.toISOString();
  return time;
}

/** A hue for a name, the same in everybody's page; letter case, accents and punctuation do not matter. */
function hueOf(name: string): number {
  const letters = name.normalize("NFKD").toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  let hash = 0x811c9dc5; // FNV-1a
  for (const letter of letters) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash % 360;
}

function face(name: string): HTMLElement {
  const node = element("span", "face", [...name][0]?.toUpperCase() ?? "?");
  node.ariaHidden = "true";
  return node;
}

/** One line of the member list. `namesakes`: others have this name too, so show the number as well. */
export function memberItem({ uid, name, you }: Person, namesakes: boolean): HTMLElement {
  const item = element("li", "", face(name), element("span", "called", name));
  item.style.setProperty("--hue", String(hueOf(name)));
  item.title = uid;
  const number = /-(\d+)(?:@|$)/.exec(uid)?.[1];
  if (namesakes && number) item.append(element("small", "", `#${number}`));
  if (you) item.append(element("small", "", "you"));
  return item;
}

/** The conversation: messages and notices, scrolled to the newest unless one reads further up. */
export class Log {
  readonly #list: HTMLElement;
  readonly #button: HTMLElement;
  /** Who wrote the newest line, and when. */
  #last: (Pick<Message, "name" | "mine"> & { at: Date }) | undefined;
  /** At the newest line, so staying there. */
  #following = true;

  constructor(list: HTMLElement, button: HTMLElement) {
    this.#list = list;
    this.#button = button;
    button.addEventListener("click", () => this.toNewest());
    list.addEventListener("scroll", () => {
      this.#following = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
      if (this.#following) button.hidden = true;
    });
    // A keyboard that opens, or a field that grows, must not hide the newest line.
    new ResizeObserver(() => {
      if (this.#following) this.toNewest();
    }).observe(list);
  }

  message({ name, content, mine }: Message): void {
    const now = new Date();
    const last = this.#last;
    const near = last !== undefined && now.getTime() - last.at.getTime() < ONE_BREATH_MS;
    const sameBreath = near && last.name === name && last.mine === mine;
    const who = element("div", "who", element("b", "", name || "somebody"), timeElement(now));
    const item = element("div", "message", face(name), who, element("div", "what", content));
    item.classList.toggle("mine", mine);
    item.classList.toggle("next", sameBreath);
    item.style.setProperty("--hue", String(hueOf(name)));
    this.#add(item);
    this.#last = { name, mine, at: sameBreath ? last.at : now };
  }

  notice(text: string): void {
    this.#add(element("p", "notice", text, timeElement(new Date())));
    this.#last = undefined;
  }

  clear(): void {
    this.#list.replaceChildren();
    this.#last = undefined;
    this.#button.hidden = true;
  }

  toNewest(): void {
    this.#following = true;
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#button.hidden = true;
  }

  #add(item: HTMLElement): void {
    this.#list.append(item);
    while (this.#list.childElementCount > MAX_LINES) this.#list.firstElementChild?.remove();
    if (this.#following) this.toNewest();
    else this.#button.hidden = false;
  }
}
