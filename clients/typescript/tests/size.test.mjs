import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** Returns the bytes of an entry, minified and gzipped, as a program that imports everything of it gets it. */
async function weigh(entry, external = []) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`../dist/esm/${entry}.js`, import.meta.url))],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2020",
    external,
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

test("core with JSON weighs at most 10 KiB", async (t) => {
  const size = await weigh("index");
  t.diagnostic(`core: ${size} bytes`);
  assert.ok(size <= 10 * 1024, `${size} bytes`);
});

test("core imports no dependency and no module of Node", async () => {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(new URL("../dist/esm/index.js", import.meta.url))],
    bundle: true,
    write: false,
    metafile: true,
    platform: "browser",
  });
  assert.deepEqual(Object.keys(metafile.inputs).filter((file) => !file.includes("dist/esm/")), []);
});

test("other entries with their libraries weigh at most 10 KiB", async (t) => {
  for (const entry of ["msgpack", "protobuf"]) {
    const size = await weigh(entry);
    t.diagnostic(`${entry}: ${size} bytes`);
    assert.ok(size <= 10 * 1024, `${entry}: ${size} bytes`);
  }
});
