// What the page knows of the room.
//
// In a cluster pushes come from several servers, so that of two lists the older may come later. But no uid is used
// twice: who has left stays away, and who is in any list is here unless they have left. So the order does not matter.

/** A member, as the list shows it. */
export interface Person {
  readonly uid: string;
  readonly name: string;
  readonly you: boolean;
}

export class Room {
  private readonly members = new Set<string>();
  private readonly left = new Set<string>();
  private readonly names = new Map<string, string>();
  /** What was said here and has not come back yet: tells one's own lines from a namesake's. */
  private unechoed: string[] = [];
  /** The uid of this page's user, while in the room. */
  uid: string | undefined;

  /** Forgets everything but names: a restarted server may count its uids from the beginning. */
  reset(): void {
    this.members.clear();
    this.left.clear();
    this.unechoed = [];
    this.uid = undefined;
  }

  setNames(names: Readonly<Record<string, string>>): void {
    for (const [uid, name] of Object.entries(names)) this.names.set(uid, name);
  }

  /** Adds a member, unless they have left. Returns whether they are here. */
  add(uid: string): boolean {
    if (this.left.has(uid)) return false;
    this.members.add(uid);
    return true;
  }

  /** Removes a member. Returns whether they were here. */
  remove(uid: string): boolean {
    this.left.add(uid);
    return this.members.delete(uid);
  }

  /** "ann-3" was called ann; a bare number is a guest's session. After an "@" comes the server that has it. */
  nameOf(uid: string): string {
    const [session = uid] = uid.split("@");
    const guest = /^\d+$/.test(session) ? `guest ${session}` : undefined;
    return this.names.get(uid) ?? guest ?? (session.replace(/-\d+$/, "") || uid);
  }

  /** Returns the members: this page's user, then the others by name. */
  people(): Person[] {
    const people = [...this.members].map((uid) => ({ uid, name: this.nameOf(uid), you: uid === this.uid }));
    return people.sort((a, b) => Number(b.you) - Number(a.you) || a.name.localeCompare(b.name));
  }

  /** Remembers what this page says. */
  say(content: string): void {
    this.unechoed.push(content);
  }

  /** Returns whether a message with this text is the echo of what this page said. */
  isEcho(content: string): boolean {
    const at = this.unechoed.indexOf(content);
    if (at >= 0) this.unechoed.splice(at, 1);
    return at >= 0;
  }
}
