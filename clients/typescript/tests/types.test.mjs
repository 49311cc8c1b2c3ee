// Generated code and programs compile, in strict mode, with each way to resolve modules.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));

const STRICT = {
  strict: true,
  noEmit: true,
  target: "ES2020",
  lib: ["ES2020", "DOM"],
  types: [],
  typeRoots: [],
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  verbatimModuleSyntax: true,
  isolatedModules: true,
};

/** Compiles the generated files and a program in a folder of their own. Returns what the compiler says. */
async function compile(t, type, options) {
  const folder = await mkdtemp(join(tmpdir(), "pitaya-types-"));
  t.after(() => rm(folder, { recursive: true }));
  await cp(join(root, "tests/generated"), folder, { recursive: true });
  await cp(join(root, "tests/use.ts"), join(folder, "use.ts"));
  await mkdir(join(folder, "node_modules/@pitaya"), { recursive: true });
  await symlink(root, join(folder, "node_modules/@pitaya/client"));
  await writeFile(join(folder, "package.json"), JSON.stringify({ type }));
  const compilerOptions = { ...STRICT, ...options };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  return run(join(root, "node_modules/.bin/tsc"), ["--project", folder]).then(
    () => "",
    ({ stdout }) => stdout,
  );
}

for (const [name, type, options] of [
  ["node16", "module", { module: "node16", moduleResolution: "node16" }],
  ["node16 from CommonJS", "commonjs", { module: "node16", moduleResolution: "node16", verbatimModuleSyntax: false }],
  ["bundler", "module", { module: "esnext", moduleResolution: "bundler" }],
]) {
  test(`types: strict with ${name}`, async (t) => {
    assert.equal(await compile(t, type, options), "");
  });
}
