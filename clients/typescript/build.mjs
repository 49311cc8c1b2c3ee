// Builds dist/esm and dist/cjs, each with its types.

import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL(".", import.meta.url)));
rmSync("dist", { recursive: true, force: true });
const tsc = (...args) => execFileSync("node_modules/.bin/tsc", args, { stdio: "inherit" });
tsc("--project", ".");
tsc("--project", ".", "--outDir", "dist/cjs", "--module", "commonjs", "--moduleResolution", "bundler", "--verbatimModuleSyntax", "false");
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');
