// node verify.mjs FILE... judges every case of the vector files by docs/health-code-format.md
// alone: a line of JSON for each case, one that closes, and exit status 0 only if all pass.

import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { SECTIONS, expected } from "./sections.mjs";

function outcome(section, example, file) {
  try {
    const wanted = (expected[section] ?? (({ expect }) => expect))(example);
    const got = SECTIONS[section](example, file);
    const agrees = ([field, value]) => isDeepStrictEqual(got[field], value);
    const fields = Object.entries(wanted);
    return { pass: fields.length > 0 && fields.every(agrees), got };
  } catch (failure) {
    return { pass: false, got: { failure: String(failure) } };
  }
}

const started = Date.now();
let [cases, passed] = [0, 0];
for (const path of process.argv.slice(2)) {
  const file = JSON.parse(readFileSync(path, "utf8"));
  for (const [section, examples] of Object.entries(file)) {
    for (const example of Array.isArray(examples) ? examples : []) {
      const { pass, got } = outcome(section, example, file);
      console.log(JSON.stringify({ id: example.id, pass, got }));
      cases += 1;
      passed += pass ? 1 : 0;
    }
  }
}
console.log(JSON.stringify({ cases, passed, seconds: (Date.now() - started) / 1000 }));
process.exitCode = cases > 0 && cases === passed ? 0 : 1;
