// Generated clients, for tests.

import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Loads a generated file. It imports types only, so it needs no other file. */
export async function loadGenerated(name) {
  const file = fileURLToPath(new URL(`generated/${name}.ts`, import.meta.url));
  const { outputFiles } = await build({ entryPoints: [file], bundle: true, write: false, format: "esm" });
  return import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
}
