// Bundles the page's sources into page.js, which is committed so that the server needs no Node.
//
//   node build.mjs           writes page.js
//   node build.mjs --check   fails if page.js is not what the sources give

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const file = fileURLToPath(new URL("page.js", import.meta.url));
const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("src/main.ts", import.meta.url))],
  bundle: true,
  minify: true,
  write: false,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  banner: { js: "// Bundled from src by build.mjs: do not edit." },
});
const bundle = outputFiles[0].text;

if (!process.argv.includes("--check")) {
  writeFileSync(file, bundle);
} else if (readFileSync(file, "utf8") !== bundle) {
  console.error("page.js is not what its sources give: run `npm run build`");
  process.exitCode = 1;
}
