// Elements of the chat page. Whatever people write goes in as text, never as HTML.

/** Lines kept in the log; the oldest go first. */
const MAX_LINES = 500;
/** Messages of one person closer together than this stand under one name. */
const ONE_BREATH_MS = 3 * 60_000;

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

function element(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function timeElement(at) {
  const time = element('time', '', clock.format(at));
  time.dateTime = at.toISOString();
  return time;
}

/** A hue for a name, the same in everybody's page; letter case, accents and punctuation do not matter. */
function hueOf(name) {
  const letters = name.normalize('NFKD').toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
  let hash = 0x811c9dc5; // FNV-1a
  for (const letter of letters) hash = Math.imul(hash ^ letter.codePointAt(0), 0x01000193) >>> 0;
  return hash % 360;
}

function face(name) {
  const node = element('span', 'face', [...name][0]?.toUpperCase() ?? '?');
  node.ariaHidden = 'true';
  return node;
}

/** One line of the member list. `namesakes`: others have this name too, so show the number as well. */
export function memberItem({ uid, name, you }, namesakes) {
  const item = element('li', '', face(name), element('span', 'called', name));
  item.style.setProperty('--hue', hueOf(name));
  item.title = uid;
  const number = /-(\d+)(?:@|$)/.exec(uid)?.[1];
  if (namesakes && number) item.append(element('small', '', `#${number}`));
  if (you) item.append(element('small', '', 'you'));
  return item;
}

/** The conversation: messages and notices, scrolled to the newest unless one reads further up. */
export class Log {
  #list;
  #button;
  #last; // who wrote the newest line, and when
  #following = true; // at the newest line, so staying there

  constructor(list, button) {
    this.#list = list;
    this.#button = button;
    button.addEventListener('click', () => this.toNewest());
    list.addEventListener('scroll', () => {
      this.#following = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
      if (this.#following) button.hidden = true;
    });
    // A keyboard that opens, or a field that grows, must not hide the newest line.
    new ResizeObserver(() => {
      if (this.#following) this.toNewest();
    }).observe(list);
  }

  message({ name, content, mine }) {
    const now = new Date();
    const sameBreath = this.#last?.name === name && this.#last.mine === mine && now - this.#last.at < ONE_BREATH_MS;
    const who = element('div', 'who', element('b', '', name || 'somebody'), timeElement(now));
    const item = element('div', 'message', face(name), who, element('div', 'what', content));
    item.classList.toggle('mine', mine);
    item.classList.toggle('next', sameBreath);
    item.style.setProperty('--hue', hueOf(name));
    this.#add(item);
    this.#last = { name, mine, at: sameBreath ? this.#last.at : now };
  }

  notice(text) {
    this.#add(element('p', 'notice', text, timeElement(new Date())));
    this.#last = undefined;
  }

  clear() {
    this.#list.replaceChildren();
    this.#last = undefined;
    this.#button.hidden = true;
  }

  toNewest() {
    this.#following = true;
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#button.hidden = true;
  }

  #add(item) {
    this.#list.append(item);
    while (this.#list.childElementCount > MAX_LINES) this.#list.firstElementChild.remove();
    if (this.#following) this.toNewest();
    else this.#button.hidden = false;
  }
}
