// Bundles src/index.js into one ES module for the resident's page, with the licences of what is
// inside beside it. `node build.mjs [folder]`; the default is where service/web serves it from.

import { build } from "esbuild";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const FOLDER = process.argv[2] ?? join(HERE, "../../service/web/built");
const BYTES_MAX = 120_000;

const made = await build({
  absWorkingDir: HERE,
  entryPoints: ["src/index.js"],
  bundle: true,
  minify: true,
  format: "esm",
  platform: "browser",
  target: ["es2020"],
  charset: "utf8",
  legalComments: "none",
  // Node's module of that name is asked for only where globalThis.crypto is absent: never in a browser.
  external: ["crypto"],
  metafile: true,
  write: false,
});
const [{ contents }] = made.outputFiles;
if (contents.length > BYTES_MAX) throw new Error(`the bundle has ${contents.length} bytes, at most ${BYTES_MAX}`);
if (Buffer.from(contents).includes("Math.random")) throw new Error("the bundle draws by Math.random");

/** The packages whose files are in the bundle. */
const packages = [...new Set(Object.keys(made.metafile.inputs)
  .map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1])
  .filter((name) => name !== undefined))].sort();
const licences = packages.map((name) => {
  const folder = join(HERE, "node_modules", name);
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined) throw new Error(`${name} has no licence file`);
  return `${name} ${version}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
});

if (!existsSync(FOLDER)) mkdirSync(FOLDER, { recursive: true });
writeFileSync(join(FOLDER, "holder.js"), contents);
writeFileSync(join(FOLDER, "LICENCES.txt"), licences.join(`\n${"-".repeat(60)}\n\n`));
console.log(`holder.js: ${contents.length} bytes from ${packages.join(", ")}`);
