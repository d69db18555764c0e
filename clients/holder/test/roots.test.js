// Whom a phone believes: the roots of its first trust file, through whatever files come later.

import assert from "node:assert/strict";
import test from "node:test";
import { vectors } from "./vectors.js";
import { bigEndian, fromHex, joined, toHex } from "../src/bytes.js";
import { mixedKey, nonce, platformBytes } from "../src/hedged.js";
import { MemoryStore, Phone } from "../src/index.js";
import { messageDigest, prefixOf, publicKeyOf, signDigest } from "../src/sm2.js";

const BODY = fromHex(vectors("offer").trust_lists.current).slice(0, -64);

function makeRoot() {
  const key = mixedKey(platformBytes(), platformBytes());
  return { key, hex: toHex(publicKeyOf(key)) };
}

/** A trust file as a platform serves it: whom it names as roots is signed by nobody. */
function file(signer, sequence, named) {
  const body = joined(BODY.slice(0, 1), bigEndian(sequence, 4), BODY.slice(5));
  const digest = messageDigest(fromHex(signer.hex), joined(prefixOf("YM1 trust list"), body));
  const signature = signDigest(signer.key, digest, nonce(signer.key, digest, platformBytes()));
  return {
    form: "yimatong-trust/1",
    roots: named.map((root) => root.hex),
    trust_list: toHex(joined(body, signature)),
  };
}

const [PRESENT, NEXT, AFTER, STRANGER] = [0, 1, 2, 3].map(makeRoot);

/** A phone that took its first file; `take` gives the sequence it goes by after another one. */
async function firstUse(content) {
  const phone = await new Phone({ store: new MemoryStore({}), call: null }).load();
  const take = async (offered) => (await phone.trust(async () => offered)).sequence;
  assert.equal(await take(content), 10);
  return { phone, take };
}

test("another root with a list signed by it replaces nothing", async () => {
  const { phone, take } = await firstUse(file(PRESENT, 10, [PRESENT, NEXT]));
  assert.equal(await take(file(STRANGER, 11, [STRANGER])), 10);
  assert.equal(await take(file(STRANGER, 11, [PRESENT, NEXT, STRANGER])), 10);
  assert.deepEqual(phone.record.trust.roots, [PRESENT.hex, NEXT.hex]);
});

test("a root slipped in beside a genuine list is not believed afterwards", async () => {
  const { phone, take } = await firstUse(file(PRESENT, 10, [PRESENT, NEXT]));
  assert.equal(await take(file(PRESENT, 11, [PRESENT, STRANGER])), 11);
  assert.deepEqual(phone.record.trust.roots, [PRESENT.hex, NEXT.hex]);
  assert.equal(await take(file(STRANGER, 12, [STRANGER])), 11);
});

test("the change to the next root is followed, and lists of the root before it go no further", async () => {
  const { take } = await firstUse(file(PRESENT, 10, [PRESENT, NEXT]));
  assert.equal(await take(file(NEXT, 11, [NEXT, AFTER])), 11);
  assert.equal(await take(file(NEXT, 12, [NEXT, AFTER])), 12);
  assert.equal(await take(file(PRESENT, 10, [PRESENT, NEXT])), 12);
});

test("a root that was not pinned at first use is never learnt from a file", async () => {
  const { take } = await firstUse(file(PRESENT, 10, [PRESENT, NEXT]));
  assert.equal(await take(file(NEXT, 11, [NEXT, AFTER])), 11);
  assert.equal(await take(file(AFTER, 12, [AFTER])), 11);
});

test("of two tabs the second pins no roots of its own and takes no older list", async () => {
  const store = new MemoryStore({});
  const [stale, other] = [await new Phone({ store, call: null }).load(), await new Phone({ store, call: null }).load()];
  await other.trust(async () => file(PRESENT, 10, [PRESENT, NEXT]));
  for (const offered of [file(STRANGER, 11, [STRANGER]), file(PRESENT, 9, [PRESENT, STRANGER])]) {
    stale.record = {};
    assert.equal((await stale.trust(async () => offered)).sequence, 10);
    assert.deepEqual(store.record.trust.roots, [PRESENT.hex, NEXT.hex]);
    assert.equal(store.record.trust.sequence, 10);
  }
  assert.equal((await stale.trust(async () => file(NEXT, 11, [NEXT, AFTER]))).sequence, 11);
  assert.deepEqual(store.record.trust.roots, [PRESENT.hex, NEXT.hex]);
});

test("of two answers under way at once the older one is not taken, whichever comes last", async () => {
  const { phone, take } = await firstUse(file(PRESENT, 10, [PRESENT, NEXT]));
  let arrive = null;
  const late = new Promise((done) => { arrive = done; });
  const slow = phone.trust(() => late);
  assert.equal(await take(file(PRESENT, 12, [PRESENT, NEXT])), 12);
  arrive(file(PRESENT, 11, [PRESENT, NEXT]));
  assert.equal((await slow).sequence, 12);
  assert.equal(phone.store.record.trust.sequence, 12);
});

test("the roots stay through a renewal that was refused and another person's login", async () => {
  const { phone } = await firstUse(file(PRESENT, 10, [PRESENT, NEXT]));
  await phone.giveUp({ body: { phone_id: "P1" } });
  assert.deepEqual(phone.record.trust.roots, [PRESENT.hex, NEXT.hex]);
  phone.call = async () => ({
    challenge: "11".repeat(32), account: "22".repeat(16), entropy: "33".repeat(32),
    expires_at: "2100-01-01T00:00:00Z",
  });
  await phone.prepared();
  assert.equal(phone.record.account, "22".repeat(16));
  assert.deepEqual(phone.record.trust.roots, [PRESENT.hex, NEXT.hex]);
});
