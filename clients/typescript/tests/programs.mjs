// Servers of this repository, as processes that end with the test.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const folder = process.env.PITAYA_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug");

/** No test takes longer. */
const LONGEST = 120_000;

/** Returns the path of a program of this repository. */
export function program(name) {
  const path = join(folder, name);
  assert.ok(existsSync(path), `${path} is missing: run \`cargo xtask test javascript\``);
  return path;
}

/** Starts a program. `t` is the test that it ends with. */
export function start(t, name, args = [], env = {}) {
  const child = spawn(program(name), args, {
    env: { PATH: process.env.PATH, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: LONGEST,
  });
  const ended = once(child, "exit");
  child.stderr.setEncoding("utf8");
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  t.after(stop);
  return { child, stop };
}

/** Returns the first line that a program prints. */
export async function firstLine(stream) {
  for await (const line of createInterface(stream)) return line;
  throw new Error("the program ended");
}

/** Returns a port that nobody listens at. */
export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

/** Opens an address in a browser that ends with the test. Returns the page, and its errors as they come. */
export async function openPage(t, address) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
  });
  t.after(() => browser.close());
  const page = await browser.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(address);
  return { page, complaints };
}

/** Starts the server of the benchmarks. */
export async function benchServer(t, { ws, tcp, serializer = "json", compression = "on" }) {
  const args = ["--serializer", serializer, "--compression", compression];
  if (ws !== undefined) args.push("--ws", `127.0.0.1:${ws}`);
  if (tcp !== undefined) args.push("--tcp", `127.0.0.1:${tcp}`);
  const env = { PITAYA_HANDLER_MESSAGES_COMPRESSION_THRESHOLD: "1" };
  const server = start(t, "tested-bench-server", args, env);
  assert.equal(await firstLine(server.child.stderr), "ready");
  return server;
}

/** Starts the server whose handlers do what a test asks for. Returns its address. */
export async function arena(t, env) {
  const server = start(t, "served", [], env);
  return { ...server, url: `tcp://${new URL(`tcp://${(await firstLine(server.child.stdout)).split("//").pop()}`).host}` };
}
