// The chat page: joins the room, shows who is there and what they say.
//
// Routes: the request `room.room.join {name}`, the notify `room.room.message {name, content}`;
// pushes `onMembers {members}` (everybody's uid), `onNewUser {content}` and
// `onMessage {name, content}`; and `onNames {names}`, how uids like to be called, and
// `onUserLeft {uid}`. A route begins with the type of the server that handles it, be it the
// one that the page is connected to or one behind that; the first may leave the type out.
//
// In a cluster pushes come from several servers, so that of two lists the older may come
// later. But no uid is used twice: who has left stays away, and who is in any list is here
// unless they have left. So it does not matter in which order things come.

import { CloseCode, PitayaClient } from './pitaya.js';
import { Log, memberItem } from './view.js';

const $ = (id) => document.getElementById(id);

const client = new PitayaClient({ reconnect: true });
const log = new Log($('log'), $('newest'));

/** What the page knows of the room: the uids of who is here and of who has left, and their names. */
const room = { name: '', uid: undefined, joined: false, members: new Set(), left: new Set(), names: new Map() };
/** What was said here and has not come back yet: tells one's own lines from a namesake's. */
let unechoed = [];

// ---- Where the server is ----

function serverUrl() {
  const asked = new URLSearchParams(location.search).get('ws');
  const port = Number(asked ?? document.querySelector('meta[name="pitaya-ws"]').content);
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new Error(`"${asked}" is not a port`);
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.hostname}:${port}`;
}

// ---- Joining and leaving ----

// A tab remembers its name, so that a reload comes back into the room.
const memory = {
  get: () => sessionStorage.getItem('name') ?? '',
  set: (name) => sessionStorage.setItem('name', name),
  clear: () => sessionStorage.removeItem('name'),
};

async function join(name) {
  room.name = name;
  $('join-error').textContent = '';
  try {
    const connecting = client.connect(serverUrl()); // ends an older connection, whose `close` comes first
    setState('waiting', 'Connecting…');
    await connecting;
  } catch (error) {
    fail(`The server cannot be reached (${error.message}).`);
  }
}

async function enterRoom() {
  // A restarted server may count its uids from the beginning.
  Object.assign(room, { joined: false, members: new Set(), left: new Set() });
  unechoed = [];
  try {
    const reply = await client.request('room.room.join', { name: room.name });
    if (reply?.code !== 0) throw new Error(reply?.result ?? 'no reason given');
    room.uid = typeof reply.uid === 'string' ? reply.uid : undefined;
  } catch (error) {
    // A connection lost meanwhile is told by its own `close`.
    if (!client.connected) return;
    client.disconnect();
    fail(`The server did not let you in (${error.message}).`);
    return;
  }
  room.joined = true;
  memory.set(room.name);
  setState('online', 'Connected');
  log.notice(`You joined as ${room.name}`);
  showRoom(true);
  showMembers();
  $('text').focus();
}

function leave() {
  memory.clear();
  client.disconnect();
  log.clear();
  showRoom(false);
  setState('offline', 'Not connected');
}

/** The room could not be entered: says so where the person is looking. */
function fail(why) {
  room.joined = false;
  if ($('room').hidden) {
    setState('lost', 'Not connected');
    $('join-error').textContent = why;
    $('name').value ||= room.name;
  } else {
    showLost(why);
  }
}

client.addEventListener('open', enterRoom);

let kicked = false;
client.addEventListener('kick', () => {
  kicked = true;
});

client.addEventListener('close', ({ detail: { reason, code, retryInMs } }) => {
  const wasKicked = kicked;
  kicked = false;
  room.joined = false;
  if (code === CloseCode.REPLACED) fail('You are connected from another place.');
  else if (wasKicked) fail('The server has sent you away.');
  else if (retryInMs !== undefined) showLost(`Disconnected: ${reason}. Trying again…`, 'waiting');
  else if (!$('room').hidden) showLost(`Disconnected: ${reason}.`);
});

client.addEventListener('error', ({ detail }) => console.error('pitaya:', detail));

// The others see a reload or a closed tab immediately, not after a missed heartbeat.
addEventListener('pagehide', () => client.disconnect());
// A page brought back from the browser's cache has no connection any more.
addEventListener('pageshow', (event) => {
  if (event.persisted && memory.get()) join(memory.get());
});

// ---- Members ----

/** "ann-3" was called ann; a bare number is a guest's session. After an "@" comes the server that has it. */
function calledName(uid) {
  const name = room.names.get(uid);
  if (name) return name;
  const [session] = uid.split('@');
  if (/^\d+$/.test(session)) return `guest ${session}`;
  return session.replace(/-\d+$/, '') || uid;
}

client.on('onNames', (push) => {
  if (typeof push?.names !== 'object' || push.names === null) return;
  // Those who have left keep theirs, for the line that says so.
  for (const [uid, name] of Object.entries(push.names)) room.names.set(uid, String(name));
  showMembers();
});

client.on('onMembers', (push) => {
  if (!Array.isArray(push?.members)) return;
  for (const uid of push.members.map(String)) if (!room.left.has(uid)) room.members.add(uid);
  showMembers();
});

client.on('onNewUser', (push) => {
  // "New user: ann-3". A list that names the newcomer may have come before this, or come later.
  const uid = /(\S+)\s*$/.exec(String(push?.content ?? ''))?.[1];
  if (uid === undefined || room.left.has(uid)) return;
  room.members.add(uid);
  if (room.joined) log.notice(`${calledName(uid)} joined`);
  showMembers();
});

client.on('onUserLeft', (push) => {
  const uid = String(push?.uid ?? '');
  room.left.add(uid);
  if (room.members.delete(uid) && room.joined) log.notice(`${calledName(uid)} left`);
  showMembers();
});

function showMembers() {
  const uids = [...room.members];
  const people = uids.map((uid) => ({ uid, name: calledName(uid), you: uid === room.uid }));
  people.sort((a, b) => b.you - a.you || a.name.localeCompare(b.name));
  const namesakes = (name) => people.filter((person) => person.name === name).length > 1;
  $('members').replaceChildren(...people.map((person) => memberItem(person, namesakes(person.name))));
  $('count').textContent = String(people.length);
}

// ---- Messages ----

client.on('onMessage', (push) => {
  const name = String(push?.name ?? '');
  const content = String(push?.content ?? '');
  const mine = name === room.name ? unechoed.indexOf(content) : -1;
  if (mine >= 0) unechoed.splice(mine, 1);
  log.message({ name, content, mine: mine >= 0 });
});

function say() {
  const content = $('text').value.trim();
  if (!content || !room.joined) return;
  client.notify('room.room.message', { name: room.name, content });
  unechoed.push(content);
  $('text').value = '';
  log.toNewest();
}

// ---- The page's parts ----

function setState(state, text) {
  $('state').dataset.state = state;
  $('room').dataset.state = state;
  $('text').placeholder = state === 'online' ? 'Write a message' : 'Not connected';
  $('state').textContent = text;
  $('lost').hidden = true;
  $('say').querySelector('button').disabled = state !== 'online';
  $('join').querySelector('button').disabled = state === 'waiting';
}

function showLost(why, state = 'lost') {
  setState(state, state === 'waiting' ? 'Reconnecting…' : 'Disconnected');
  $('lost-text').textContent = why;
  $('lost').hidden = false;
}

function showRoom(inside) {
  $('welcome').hidden = inside;
  $('room').hidden = !inside;
  $('leave').hidden = !inside;
  if (!inside) {
    $('name').value = room.name;
    $('name').focus();
  }
}

$('join').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = $('name').value.trim();
  if (name) join(name);
});
$('say').addEventListener('submit', (event) => {
  event.preventDefault();
  say();
});
$('text').addEventListener('keydown', (event) => {
  // Enter while composing (Japanese, Chinese, …) picks a character; it sends nothing.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  say();
});
$('leave').addEventListener('click', leave);
$('reconnect').addEventListener('click', () => join(room.name));

if (memory.get()) join(memory.get());
