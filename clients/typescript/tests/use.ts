// What programs write against a generated client. It is compiled, and never run.

import { ClosedError, connect, createClient, PitayaError } from "@pitaya/client";
import { msgpack } from "@pitaya/client/msgpack";
import { protobuf } from "@pitaya/client/protobuf";
import { tcp } from "@pitaya/client/tcp";
import type { BenchClient, Text } from "./bench.js";
import { Bench } from "./bench.js";
import type { Color, Everything } from "./every-feature.js";
import type { Input, Shape, ShapesClient } from "./shapes.js";

export async function use(): Promise<void> {
  const client: BenchClient = await connect(Bench, { url: "ws://x", user: async () => ({ token: "t" }), serializer: msgpack });
  const { text } = await client.echo.typed({ text: "a" }, { timeout: 1, signal: AbortSignal.timeout(5) });
  text.toUpperCase();
  const sessions: bigint = (await client.bench.stats()).sessions;
  client.fan.say({ text: String(sessions) });
  const off: () => void = client.on("onSay", (said) => said.text.length);
  off();
  const nothing: void = await client.fan.join({ timeout: 5 });
  const raw: Uint8Array = await client.echo.raw(new Uint8Array(1));
  createClient(Bench, { url: "tcp://x", transport: tcp, serializer: protobuf }).onClosed((reason) => {
    if (reason.kind === "refused") console.log(reason.code, reason.payload, nothing, raw);
  });

  // @ts-expect-error The message has the wrong type.
  await client.echo.typed({ text: 5 });
  // @ts-expect-error A field is missing.
  await client.echo.typed({});
  // @ts-expect-error There is no such handler.
  await client.echo.nothing();
  // @ts-expect-error There is no such push.
  client.on("onSaid", () => {});
  // @ts-expect-error A notify has no reply.
  client.fan.say({ text: "a" }).then(() => {});
}

export async function errors(client: BenchClient, message: Text): Promise<string> {
  try {
    return (await client.echo.typed(message)).text;
  } catch (error) {
    if (client.echo.typed.isError(error)) {
      const code: "BENCH-1" = error.code;
      const length: string | undefined = error.metadata.length;
      // @ts-expect-error The error has no such metadata.
      error.metadata.room;
      return `${code} ${length}`;
    }
    if (error instanceof ClosedError) return error.reason.kind;
    if (error instanceof PitayaError) return error.code;
    throw error;
  }
}

export function types(all: Everything): string {
  const color: Color = "a color of a later version";
  switch (all.nickname) {
    case undefined:
      return color;
    default:
      return all.nickname;
  }
}

/** A union narrows by its key, and a variant of a newer server is left. */
export function input(value: Input): string {
  switch (value.type) {
    case "Move":
      return `${value.data.x + value.data.y}`;
    case "Say": {
      const after: bigint = value.data.after;
      return value.data.text + after;
    }
    case "Score":
      return value.data.toFixed();
    case "Stop":
      // @ts-expect-error The variant has no value.
      return value.data;
    case undefined: {
      const unknown: unknown = value.$unknown;
      return String(unknown);
    }
    default: {
      const nothing: never = value;
      return nothing;
    }
  }
}

export function area(shape: Shape): number {
  if (shape.kind === "circle") return shape.radius;
  // @ts-expect-error It may be another variant.
  shape.parts;
  if (shape.kind === "group") return shape.parts.map(area).reduce((a, b) => a + b, 0);
  return shape.kind === "item" ? shape.id : 0;
}

export async function shapes(client: ShapesClient): Promise<void> {
  const all: Shape[] = await client.match.input({ type: "Say", data: { text: "hi", after: 1n } });
  const joined = await client.match.maybe(["a"]);
  console.log(all.length, joined?.members);
  const { pair, path } = await client.match.draw({ pair: ["a", 1], wait: 5n, path: [[1, 2, undefined], [3, 4, "Solo"]], shape: { kind: "nothing" } });
  const [name, count]: [string, number] = pair;
  console.log(name.length + count, path[0]?.[2]);
  client.on("onInput", (value) => void client.match.input(value));
  // @ts-expect-error There is no such variant.
  await client.match.input({ type: "Jump" });
  // @ts-expect-error The value is of another variant.
  await client.match.input({ type: "Score", data: { x: 1, y: 2 } });
  // @ts-expect-error The tuple has two entries.
  await client.match.draw({ pair: ["a", 1, 2], wait: 5n, path: [], shape: { kind: "nothing" } });
}
