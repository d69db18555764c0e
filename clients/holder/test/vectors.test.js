// Every published case that concerns a phone, to the byte.

import assert from "node:assert/strict";
import test from "node:test";
import { offerOf, vectors } from "./vectors.js";
import { fromHex, toHex } from "../src/bytes.js";
import { candidates, firstBelow, mixedKey } from "../src/hedged.js";
import { clockOffset_s, enrolProof, Holder, HolderRefused } from "../src/holder.js";
import { contextOf, holderMessage, NO_CONTEXT } from "../src/layout.js";
import { holds, messageDigest, N, publicKeyOf, signDigest } from "../src/sm2.js";
import { decode, encode } from "../src/text.js";

const { text, context } = vectors("text");
const nonces = vectors("nonce");
const bound = vectors("bound");

for (const { id, bytes, text: shown } of text) {
  test(id, () => {
    if (bytes === null) {
      assert.throws(() => decode(shown), RangeError);
    } else {
      assert.equal(toHex(decode(shown)), bytes);
      assert.equal(encode(fromHex(bytes)), shown);
    }
  });
}

for (const { id, offer, expect } of context) {
  test(id, () => assert.equal(toHex(contextOf(offerOf(offer))), expect.context));
}

for (const { id, key, digest, fresh, below, expect } of nonces.nonce) {
  test(id, () => {
    const given = [key, digest, fresh].map((part) => fromHex(part, 32));
    const outputs = candidates(...given);
    assert.deepEqual(expect.candidates.map(() => toHex(outputs.next().value)), expect.candidates);
    const limit = below === undefined ? N : BigInt(`0x${below}`);
    assert.equal(firstBelow(candidates(...given), limit), BigInt(`0x${expect.k}`));
  });
}

for (const { id, fresh, entropy, expect } of nonces.holder_key) {
  test(id, () => {
    const key = mixedKey(fromHex(fresh), fromHex(entropy));
    assert.deepEqual({ key: toHex(key), holder_key: toHex(publicKeyOf(key)) }, expect);
  });
}

for (const { id, key, challenge, account, fresh, expect } of nonces.enrol) {
  test(id, () => {
    const secret = fromHex(nonces.keys[key]);
    const proof = enrolProof(secret, fromHex(challenge), fromHex(account), () => fromHex(fresh));
    assert.equal(toHex(proof), expect.proof);
  });
}

for (const { id, sent, received, server_time: server, expect } of nonces.clock) {
  test(id, () => {
    const told = () => clockOffset_s(...[sent, received, server].map(Date.parse));
    if (expect.error === undefined) assert.equal(told(), expect.clock_offset_s);
    else assert.throws(told, { reason: expect.error });
  });
}

for (const given of [...nonces.show, ...nonces.show_checks]) {
  test(given.id, () => {
    const over = given.offer_expires_at;
    const holder = () => new Holder({
      key: fromHex(nonces.keys[given.key]),
      credential: fromHex(given.credential),
      clockOffset_s: given.clock_offset_s,
      lastRise: given.last_rise,
      draw: () => fromHex(given.fresh),
    });
    const show = () => holder().show(
      Date.parse(given.now), given.purpose, offerOf(given.offer),
      over === undefined ? null : Date.parse(over) / 1_000,
    );
    if (given.expect.error !== undefined) {
      assert.throws(show, (fault) => fault instanceof HolderRefused && fault.reason === given.expect.error);
      return;
    }
    const shown = show();
    assert.deepEqual(
      { text: shown.text, bytes: toHex(shown.bytes), last_rise: shown.lastRise }, given.expect,
    );
  });
}

for (const { id, given, expect } of bound.issue) {
  test(`${id}: the phone's signature with its nonce`, () => {
    const key = fromHex(bound.keys[given.holder]);
    const bytes = fromHex(expect.bytes);
    const covered = given.context ? fromHex(given.context) : NO_CONTEXT;
    const digest = messageDigest(publicKeyOf(key), holderMessage(bytes.slice(0, 130), covered));
    const signature = signDigest(key, digest, BigInt(`0x${given.holder_k}`));
    assert.equal(toHex(signature), toHex(bytes.slice(130)));
    assert.equal(holds(publicKeyOf(key), digest, signature), true);
  });
}
