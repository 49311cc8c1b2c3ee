// The page of the projects that `pitaya new` makes. `BLESS=1` bundles it again.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { program } from "./programs.mjs";

const templates = fileURLToPath(new URL("../../../pitaya-cli/templates/", import.meta.url));
const client = fileURLToPath(new URL("..", import.meta.url));

for (const kind of ["cluster", "standalone"]) {
  test(`project: the page of ${kind} is what its sources give`, (t) => {
    const folder = mkdtempSync(join(tmpdir(), "pitaya-project-"));
    t.after(() => rmSync(folder, { recursive: true }));
    for (const part of ["common", kind]) cpSync(join(templates, part, "web"), folder, { recursive: true });
    execFileSync(program("pitaya"), ["gen", "ts", join(templates, kind, "schema.json"), "-o", join(folder, "src/game.ts")]);
    mkdirSync(join(folder, "node_modules/@pitaya"), { recursive: true });
    symlinkSync(client, join(folder, "node_modules/@pitaya/client"));
    for (const name of ["esbuild", "typescript"]) {
      symlinkSync(join(client, "node_modules", name), join(folder, "node_modules", name));
    }
    execFileSync("node", [join(client, "node_modules/typescript/bin/tsc")], { cwd: folder, stdio: "inherit" });
    const committed = readFileSync(join(folder, "page.js"), "utf8");
    execFileSync("node", ["build.mjs"], { cwd: folder, stdio: "inherit" });
    if (process.env.BLESS) copyFileSync(join(folder, "page.js"), join(templates, kind, "web/page.js"));
    else assert.ok(readFileSync(join(folder, "page.js"), "utf8") === committed, `bundle ${kind}/web/page.js again: run with BLESS=1`);
  });
}
