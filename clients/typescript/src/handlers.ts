import type { CallOptions } from "./calls.js";
import type { Core } from "./core.js";
import { PitayaError } from "./error.js";
import type { Route, Schema } from "./types.js";

/** Adds the groups of the schema's handlers to a client. */
export function addHandlers(client: object, schema: Schema, core: Core): void {
  for (const [group, methods] of Object.entries(schema.routes)) {
    if (Object.prototype.hasOwnProperty.call(client, group)) {
      throw new TypeError(`the group ${group} has the name of a member of Client`);
    }
    const made: Record<string, unknown> = {};
    for (const [name, route] of Object.entries(methods)) {
      const { errors = [] } = route;
      const isError = (error: unknown) => error instanceof PitayaError && errors.includes(error.code);
      made[name] = Object.assign(handler(route, core), { isError });
    }
    Object.defineProperty(client, group, { value: made, enumerable: true });
  }
}

function handler({ route, message, reply, notify }: Route, core: Core): object {
  const out = core.codecOf(message, route);
  if (notify) return (value?: unknown) => core.tell(route, out, value);
  const back = core.codecOf(reply, `reply of ${route}`);
  if (message === undefined) return (options?: CallOptions) => core.call(route, out, back, undefined, options);
  return (value: unknown, options?: CallOptions) => core.call(route, out, back, value, options);
}
