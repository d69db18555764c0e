// The published vectors, read from the repository.

import { readFileSync } from "node:fs";
import { webcrypto } from "node:crypto";
import { fromHex } from "../src/bytes.js";

// Node 18 keeps it behind its own module.
globalThis.crypto ??= webcrypto;

const FOLDER = new URL("../../../openapi/examples/health-code/", import.meta.url);

export const vectors = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), "utf8"));

/** An offer of a case in this package's words. */
export const offerOf = (fields) => (fields === undefined ? null : {
  purpose: fields.purpose,
  institution: fromHex(fields.institution),
  terminal: fromHex(fields.terminal),
  challenge: fromHex(fields.challenge),
  billId: fromHex(fields.bill_id),
  amount_fen: fields.amount_fen,
});
