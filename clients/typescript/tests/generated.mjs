// Generated clients, for tests.

import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Loads a generated file of these tests. */
export function loadGenerated(name) {
  return loadGeneratedFile(fileURLToPath(new URL(`generated/${name}.ts`, import.meta.url)));
}

/** Loads a generated file. It imports types only, so it needs no other file. */
export async function loadGeneratedFile(file) {
  const { outputFiles } = await build({ entryPoints: [file], bundle: true, write: false, format: "esm" });
  return import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
}
