// Trust lists and offers: every published case, and nothing but the named refusal for others.

import assert from "node:assert/strict";
import test from "node:test";
import { vectors } from "./vectors.js";
import { fromHex, toHex } from "../src/bytes.js";
import { contextOf } from "../src/layout.js";
import { openOffer, OfferRefused } from "../src/offer.js";
import { openTrustList, readTrustFile } from "../src/trust.js";

const trust = vectors("trust");
const offers = vectors("offer");
const seconds = (text) => Date.parse(text) / 1_000;

for (const { id, list, roots, newest_sequence: newest, expect } of trust.trust) {
  test(id, () => {
    const pinned = (roots ?? [trust.root]).map((root) => fromHex(root, 33));
    const open = () => openTrustList(fromHex(list), pinned, newest ?? 0);
    if (expect.error !== null) {
      assert.throws(open, { reason: expect.error });
      return;
    }
    const opened = open();
    assert.equal(opened.sequence, expect.sequence);
    assert.equal(opened.made_s, seconds(expect.made_at));
    assert.equal(opened.next_s, seconds(expect.next_at));
    assert.deepEqual(
      [...opened.keys.values()].map((key) => ({ id: key.keyId, key: toHex(key.publicKey), from: key.signsFrom_s })),
      expect.keys.map((key) => ({
        id: Number.parseInt(key.key_id, 16), key: key.public_key, from: seconds(key.signs_from),
      })),
    );
  });
}

const listed = (name) => openTrustList(fromHex(offers.trust_lists[name ?? "current"]), [fromHex(offers.root)]);

for (const { id, text, now, trust_list: name, expect } of offers.offer) {
  test(id, () => {
    const open = () => openOffer(text, listed(name), seconds(now));
    if (expect.error !== null) {
      assert.throws(open, (fault) => fault instanceof OfferRefused && fault.reason === expect.error);
      return;
    }
    const opened = open();
    const { offer } = opened;
    const got = {
      name: opened.name, purpose: offer.purpose, institution: toHex(offer.institution),
      terminal: toHex(offer.terminal), challenge: toHex(offer.challenge), bill_id: toHex(offer.billId),
      amount_fen: offer.amount_fen < 2n ** 53n ? Number(offer.amount_fen) : String(offer.amount_fen), issued_at: opened.issued_s, expires_at: opened.expires_s,
      context: toHex(contextOf(offer)), error: null,
    };
    const due = { ...expect, issued_at: seconds(expect.issued_at), expires_at: seconds(expect.expires_at) };
    for (const name of Object.keys(due)) assert.deepEqual(got[name], due[name], name);
  });
}

test("hostile texts are refused, whatever they are", () => {
  const good = offers.offer[0].text;
  for (const text of [null, 7, "", "YMO1:", `${good}00`, good.toLowerCase(), "YMO1:".padEnd(100_000, "0")]) {
    assert.throws(() => openOffer(text, listed(), seconds(offers.offer[0].now)), OfferRefused);
  }
});

test("a trust file must hold a root pinned before", () => {
  const content = { form: "yimatong-trust/1", roots: [offers.root], trust_list: offers.trust_lists.current };
  assert.equal(readTrustFile(content).keys.size > 0, true);
  assert.equal(readTrustFile(content, [fromHex(offers.root)]).keys.size > 0, true);
  const stranger = fromHex(trust.trust[0].expect.keys[0].public_key);
  assert.throws(() => readTrustFile(content, [stranger]), RangeError);
  for (const bad of [{}, { ...content, form: "x" }, { ...content, roots: [] }, { ...content, trust_list: "zz" }]) {
    assert.throws(() => readTrustFile(bad), RangeError);
  }
});
