import { textOf } from "./error.js";
import type { Listener } from "./listeners.js";
import { Listeners } from "./listeners.js";
import type { Codec } from "./serializer.js";
import type { Body, Schema } from "./types.js";

/** The routes without a listener that are remembered. A server may invent any number. */
const MOST_WARNINGS = 100;

interface Entry {
  readonly codec: Codec;
  readonly listeners: Listeners<unknown>;
}

/** The listeners of pushes, by route. */
export class Pushes {
  private readonly entries = new Map<string, Entry>();
  private readonly warned = new Set<string>();

  constructor(
    private readonly schema: Schema,
    private readonly codecOf: (type: Body | undefined, at: string) => Codec,
    private readonly logger: { warn(text: string): void; error(text: string, error: unknown): void },
  ) {}

  /** Adds a listener. Returns its undo. */
  listen(route: string, listener: Listener<unknown>): () => void {
    let entry = this.entries.get(route);
    if (entry === undefined) {
      const { pushes } = this.schema;
      const type = Object.prototype.hasOwnProperty.call(pushes, route) ? pushes[route] : "any";
      entry = { codec: this.codecOf(type, `push ${route}`), listeners: new Listeners() };
      this.entries.set(route, entry);
    }
    return entry.listeners.add(listener);
  }

  /** Calls the listeners. A push that cannot be read, or a listener that fails, does not stop the next ones. */
  deliver(route: string, body: Uint8Array): void {
    const entry = this.entries.get(route);
    if (entry === undefined || entry.listeners.length === 0) return this.warn(route);
    const failed = (error: unknown) => this.logger.error(`pitaya: push ${route}: ${textOf(error)}`, error);
    let message: unknown;
    try {
      message = entry.codec.decode(body);
    } catch (error) {
      return failed(error);
    }
    entry.listeners.call(message, failed);
  }

  private warn(route: string): void {
    if (this.warned.has(route) || this.warned.size >= MOST_WARNINGS) return;
    this.warned.add(route);
    this.logger.warn(`pitaya: no listener for the push ${route}`);
  }
}
