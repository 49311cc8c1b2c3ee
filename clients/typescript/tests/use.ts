// What programs write against a generated client. It is compiled, and never run.

import { ClosedError, connect, createClient, PitayaError } from "@pitaya/client";
import { msgpack } from "@pitaya/client/msgpack";
import { protobuf } from "@pitaya/client/protobuf";
import { tcp } from "@pitaya/client/tcp";
import type { BenchClient, Text } from "./bench.js";
import { Bench } from "./bench.js";
import type { Color, Everything } from "./every-feature.js";

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
