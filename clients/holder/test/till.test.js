// A till: the published offers byte for byte, and a certificate over its days.

import assert from "node:assert/strict";
import test from "node:test";
import { vectors } from "./vectors.js";
import { areEqual, ascii, bigEndian, fromHex, joined, toBigInt, toHex } from "../src/bytes.js";
import { openOffer } from "../src/offer.js";
import { MemoryStore, Till } from "../src/index.js";
import { digestOf, messageDigest, prefixOf, publicKeyOf, signDigest } from "../src/sm2.js";
import { decode } from "../src/text.js";
import { billIdOf, makeOffer, offerSymbol } from "../src/till.js";
import { openTrustList } from "../src/trust.js";

const offers = vectors("offer");
const seconds = (text) => Date.parse(text) / 1_000;
const privateKey = (name) => fromHex(offers.keys[name], 32);
const DAY_S = 86_400;

for (const { id, given, expect } of offers.make_offer) {
  const asked = {
    purpose: given.offer.purpose,
    challenge: fromHex(given.offer.challenge),
    billId: fromHex(given.offer.bill_id),
    amount_fen: given.offer.amount_fen,
    issued_s: seconds(given.issued_at),
    life_s: given.life,
  };
  const made = (changes = {}, key = privateKey(given.key)) => makeOffer(
    { ...asked, ...changes }, fromHex(given.certificate), key, () => toBigInt(fromHex(given.k)),
  );

  test(id, () => {
    assert.equal(made(), expect.text);
    assert.equal(toHex(decode(made(), "YMO1:", 466)), expect.bytes);
  });

  test(`${id}: nothing out of range is signed, and nothing for another till`, () => {
    const wrong = [
      { purpose: "everything" }, { life_s: 0 }, { life_s: 901 }, { amount_fen: -1 },
      { amount_fen: 1n << 63n }, { challenge: new Uint8Array(15) }, { billId: new Uint8Array(17) },
    ];
    for (const changes of wrong) assert.throws(() => made(changes), RangeError, JSON.stringify(Object.keys(changes)));
    assert.throws(() => made({}, bigEndian(7, 32)), RangeError);
  });
}

/** A platform that certifies by the form, under a key of its own. */
class Platform {
  constructor() {
    this.now_s = seconds(offers.make_offer[0].given.issued_at);
    this.key = privateKey("till voucher");
    this.asked = [];
    this.refuses = false;
    this.life_s = 30 * DAY_S;
    this.certifies = (publicKey) => publicKey;
  }

  clock = () => this.now_s * 1_000;

  call = async (publicKey) => {
    this.asked.push(publicKey);
    if (this.refuses) throw new Error("refused");
    const name = ascii("Hospital");
    const body = joined(
      1, fromHex("6305"), bigEndian(this.now_s, 4), bigEndian(this.now_s + this.life_s, 4),
      new Uint8Array(18), new Uint8Array(8), fromHex(this.certifies(publicKey)), name.length, name,
    );
    const voucher = publicKeyOf(this.key);
    const digest = messageDigest(voucher, joined(prefixOf("YM1 till"), body));
    return { certificate: toHex(joined(body, signDigest(this.key, digest, 99n))) };
  };

  till(store = new MemoryStore(), more = {}) {
    const given = { store, call: this.call, owner: "T1", seed: new Uint8Array(32), clock: this.clock };
    return new Till({ ...given, ...more }).load();
  }
}

const trust = openTrustList(fromHex(offers.trust_lists.current), [fromHex(offers.root)]);
const bill = { purpose: "pay", billId: billIdOf("BILL-1"), amount_fen: 7_748 };

test("a phone opens what a till offers, with the platform's list alone", async () => {
  const platform = new Platform();
  const till = await platform.till();
  await till.keepFresh();
  const { text, expires_s } = till.offer(bill, 120);
  const opened = openOffer(text, trust, platform.now_s);
  assert.equal(opened.name, "Hospital");
  assert.equal(opened.offer.amount_fen, 7_748n);
  assert.deepEqual(opened.offer.billId, digestOf(ascii("BILL-1")).slice(0, 16));
  assert.equal(opened.expires_s, expires_s);
  assert.equal(expires_s, platform.now_s + 120);
  const again = openOffer(till.offer(bill, 120).text, trust, platform.now_s);
  assert.ok(!areEqual(again.offer.challenge, opened.offer.challenge), "each offer has its own challenge");
});

test("the certificate is kept, and renewed with another key at half its life", async () => {
  const [platform, store] = [new Platform(), new MemoryStore()];
  const till = await platform.till(store);
  await Promise.all([till.keepFresh(), till.keepFresh()]);
  const later = await platform.till(store);
  await later.keepFresh();
  assert.equal(platform.asked.length, 1);
  platform.now_s += 15 * DAY_S;
  await later.keepFresh();
  assert.equal(platform.asked.length, 2);
  assert.notEqual(platform.asked[1], platform.asked[0]);
  const offered = decode(later.offer(bill, 120).text, "YMO1:", 466);
  assert.equal(toHex(offered.slice(48 + 37, 48 + 70)), platform.asked[1], "the new key signs");
});

test("a refused renewal changes nothing while the certificate holds; then no offer is made", async () => {
  const platform = new Platform();
  const till = await platform.till();
  await till.keepFresh();
  platform.refuses = true;
  platform.now_s += 20 * DAY_S;
  await till.keepFresh();
  assert.ok(till.canOffer);
  // An offer must not outlive the certificate.
  platform.now_s += 10 * DAY_S - 900;
  assert.ok(!till.canOffer);
  await assert.rejects(till.keepFresh(), { message: "refused" });
  assert.throws(() => till.offer(bill, 120));
});

test("another terminal's key is not taken up, nor a certificate for another key", async () => {
  const [platform, store] = [new Platform(), new MemoryStore()];
  await (await platform.till(store)).keepFresh();
  assert.equal((await platform.till(store, { owner: "T2" })).canOffer, false);
  platform.certifies = () => toHex(publicKeyOf(bigEndian(7, 32)));
  const till = await platform.till();
  await assert.rejects(till.keepFresh(), RangeError);
  assert.equal(till.canOffer, false);
});

test("a till that is no longer trusted forgets, and begins anew", async () => {
  const [platform, store] = [new Platform(), new MemoryStore()];
  const till = await platform.till(store);
  await till.keepFresh();
  await till.forget();
  assert.equal(await store.read(), null);
  await till.keepFresh();
  assert.equal(platform.asked.length, 2);
  assert.ok(till.canOffer);
});

test("without the platform's randomness no key is made", async () => {
  const platform = new Platform();
  const till = await platform.till(new MemoryStore(), { draw: () => { throw new Error("no randomness"); } });
  await assert.rejects(till.keepFresh(), { message: "no randomness" });
  assert.equal(platform.asked.length, 0);
});

test("equal random bytes at two terminals give two keys", async () => {
  const platform = new Platform();
  const draw = () => new Uint8Array(32).fill(5);
  for (const seed of [1, 2]) {
    await (await platform.till(new MemoryStore(), { draw, seed: new Uint8Array(32).fill(seed) })).keepFresh();
  }
  assert.notEqual(platform.asked[0], platform.asked[1]);
});

test("the symbol is a picture of black modules with a margin", () => {
  const svg = offerSymbol("https://example.test/#/offer/", offers.make_offer[0].expect.text);
  assert.match(svg, /^<svg [^>]*viewBox="-4 -4 77 77"/);
  assert.equal(svg.includes("<script"), false);
});
