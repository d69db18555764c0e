// Answers one question of another implementation's test: JSON on standard input, JSON out.

import { readFileSync } from "node:fs";
import "./vectors.js";
import { fromHex, joined, toHex } from "../src/bytes.js";
import { enrolment, Holder } from "../src/holder.js";
import { holderMessage, NO_CONTEXT, readCredential } from "../src/layout.js";
import { holds, messageDigest, prefixOf } from "../src/sm2.js";
import { symbolOf } from "../src/symbol.js";
import { decode } from "../src/text.js";

const ANSWERS = {
  enrol(given) {
    const made = enrolment(given);
    return { key: toHex(made.key), holder_key: toHex(made.holderKey), proof: toHex(made.proof) };
  },
  show(given) {
    const holder = new Holder({ key: fromHex(given.key), credential: fromHex(given.credential) });
    return given.at.map((now) => {
      const { text } = holder.show(Date.parse(now), given.purpose);
      return { text, ...symbolOf(text) };
    });
  },
  judge(given) {
    return given.texts.map((text) => {
      const bytes = decode(text);
      const { holderKey } = readCredential(bytes.slice(0, 124));
      const issuerKey = fromHex(given.issuer_key);
      const issued = joined(prefixOf("YM1 bound issuer"), bytes.slice(0, 60));
      return holds(issuerKey, messageDigest(issuerKey, issued), bytes.slice(60, 124))
        && holds(holderKey, messageDigest(holderKey, holderMessage(bytes.slice(0, 130), NO_CONTEXT)), bytes.slice(130));
    });
  },
};

const given = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(ANSWERS[given.ask](given)));
