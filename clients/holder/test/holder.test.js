// What a phone must never do, and what it does when its platform fails it.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";
import { vectors } from "./vectors.js";
import { bigEndian, fromHex, toHex } from "../src/bytes.js";
import { clockOffset_s, enrolment, Holder } from "../src/holder.js";
import { canHold, symbolOf } from "../src/index.js";
import { enrolMessage, readCredential } from "../src/layout.js";
import { holds, messageDigest, N, publicKeyOf, signDigest } from "../src/sm2.js";

const { keys, show } = vectors("nonce");
const KEY = fromHex(keys.holder);
const CREDENTIAL = fromHex(show[0].credential);
const NOW_MS = readCredential(CREDENTIAL).issued_s * 1_000;
const CHALLENGE = { challenge: "01".repeat(32), account: "02".repeat(16), entropy: "03".repeat(32) };

const holder = (more = {}) => new Holder({ key: KEY, credential: CREDENTIAL, ...more });

/** Runs with another `crypto` and puts the old one back. */
function withCrypto(replacement, run) {
  const found = Object.getOwnPropertyDescriptor(globalThis, "crypto");
  Object.defineProperty(globalThis, "crypto", { value: replacement, configurable: true, writable: true });
  try {
    return run();
  } finally {
    Object.defineProperty(globalThis, "crypto", found);
  }
}

test("showings rise within a step and into the next", () => {
  const phone = holder();
  const rises = [0, 1, 29, 30, 59, 90].map((s) => phone.show(NOW_MS + s * 1_000).lastRise);
  assert.deepEqual(rises, [...new Set(rises)].sort((a, b) => a - b));
  assert.deepEqual(rises.map((rise) => rise & 255), [0, 1, 2, 0, 1, 0]);
});

test("a step has 256 showings", () => {
  const step = NOW_MS / 30_000;
  const phone = holder({ lastRise: step * 256 + 253 });
  phone.show(NOW_MS);
  phone.show(NOW_MS);
  assert.throws(() => phone.show(NOW_MS), { reason: "SEQ_SPENT" });
  assert.equal(phone.stepLeft_s(NOW_MS + 10_000), 20);
});

test("two signatures over one message differ, and both hold", () => {
  const first = enrolment(CHALLENGE);
  const message = enrolMessage(fromHex(CHALLENGE.challenge), fromHex(CHALLENGE.account), first.holderKey);
  assert.equal(holds(first.holderKey, messageDigest(first.holderKey, message), first.proof), true);
  const second = enrolment(CHALLENGE);
  assert.notEqual(toHex(first.key), toHex(second.key));
  assert.notEqual(toHex(first.proof), toHex(second.proof));
});

test("without the platform's randomness no key is made and nothing is signed", () => {
  for (const lacking of [undefined, {}, { getRandomValues: 1 }]) {
    withCrypto(lacking, () => {
      assert.equal(canHold(), false);
      assert.throws(() => enrolment(CHALLENGE), /no randomness/);
      assert.throws(() => holder().show(NOW_MS), /no randomness/);
    });
  }
  assert.equal(canHold(), true);
});

test("each key takes 32 bytes of the platform and each signature 32 of its own", () => {
  const real = globalThis.crypto;
  const drawn = [];
  const counted = {
    getRandomValues(array) {
      real.getRandomValues(array);
      drawn.push(toHex(array));
      return array;
    },
  };
  withCrypto(counted, () => {
    enrolment(CHALLENGE);
    holder().show(NOW_MS);
  });
  assert.deepEqual(drawn.map((text) => text.length), [64, 64, 64]);
  assert.equal(new Set(drawn).size, 3);
});

test("nothing here or in what is bundled draws by Math.random", () => {
  const real = Math.random;
  Math.random = () => assert.fail("Math.random was called");
  try {
    enrolment(CHALLENGE);
    symbolOf(holder().show(NOW_MS).text);
  } finally {
    Math.random = real;
  }
  const folder = new URL("../src/", import.meta.url);
  for (const name of readdirSync(folder)) {
    assert.doesNotMatch(readFileSync(new URL(name, folder), "utf8"), /Math\.random/, name);
  }
});

test("another phone's credential is refused", () => {
  assert.throws(() => holder({ key: fromHex(keys.issuer) }), { reason: "NOT_MINE" });
  for (const bad of [CREDENTIAL.slice(1), CREDENTIAL.slice(0, 123), new Uint8Array(124)]) {
    assert.throws(() => holder({ credential: bad }), RangeError);
  }
});

test("the clock is taken at the middle of the round trip, or not at all", () => {
  assert.equal(clockOffset_s(1_000, 3_000, 12_000), 10);
  for (const [sent, received, server] of [[0, 21_000, 0], [1, 0, 0], [0, 1, Number.NaN]]) {
    assert.throws(() => clockOffset_s(sent, received, server), { reason: "CLOCK_UNSURE" });
  }
});

test("malformed signatures do not hold, and bad keys and nonces sign nothing", () => {
  const digest = new Uint8Array(32).fill(7);
  const signature = signDigest(KEY, digest, 12345n);
  const [r, s] = [signature.slice(0, 32), signature.slice(32)];
  const publicKey = publicKeyOf(KEY);
  assert.equal(holds(publicKey, digest, signature), true);
  const order = bigEndian(N, 32);
  for (const bad of [
    [r, new Uint8Array(32)], [new Uint8Array(32), s], [r, order], [order, s], [s, r],
  ]) {
    assert.equal(holds(publicKey, digest, Uint8Array.from([...bad[0], ...bad[1]])), false);
  }
  assert.equal(holds(publicKey, digest, signature.slice(1)), false);
  assert.equal(holds(publicKey, digest, signDigest(KEY, digest, N - 1n)), true);
  for (const k of [0n, N, -1n]) assert.throws(() => signDigest(KEY, digest, k), RangeError);
  for (const key of [new Uint8Array(32), bigEndian(N - 1n, 32), new Uint8Array(31).fill(1)]) {
    assert.throws(() => publicKeyOf(key), RangeError);
  }
});

test("a bound code is version 10 at level M, in the alphanumeric mode", () => {
  const { svg, modules } = symbolOf(holder().show(NOW_MS).text);
  assert.equal(modules, 57);
  assert.match(svg, /viewBox="0 0 65 65"/);
  assert.throws(() => symbolOf("lower case"), RangeError);
});
