// The phone (§10) and the making of codes (§12).

import { big, concat, demand, fromHex, label, pack, same, seconds, uint } from "./bytes.mjs";
import { BOUND_TO_OFFER, KINDS, NO_CONTEXT, PURPOSES, contextOf } from "./codes.mjs";
import { holderMessage, issuerMessage, readHead, sealIndex } from "./codes.mjs";
import { hmacSm3 } from "./sm3.mjs";
import { N, digest, publicKeyOf, sign, signOrDrop } from "./sm2.mjs";

// The nonces' candidates, one after the other, whatever became of those before.
export function* candidates(d, e, fresh) {
  const seed = concat(uint(d, 32), e, fresh);
  let key = new Uint8Array(32);
  let value = new Uint8Array(32).fill(1);
  const stir = (...more) => {
    key = hmacSm3(key, value, ...more);
    value = hmacSm3(key, value);
  };
  stir(uint(0, 1), seed);
  stir(uint(1, 1), seed);
  for (;;) {
    value = hmacSm3(key, value);
    yield big(value);
    stir(uint(0, 1));
  }
}

export function nonceBelow(limit, d, e, fresh) {
  for (const candidate of candidates(d, e, fresh)) {
    if (candidate >= 1n && candidate < limit) return candidate;
  }
}

// A nonce that gives no signature is dropped like one out of range.
export function hedgedSign(d, message, fresh) {
  const e = digest(publicKeyOf(d), message);
  for (const k of candidates(d, e, fresh)) {
    const signature = k >= 1n && k < N && signOrDrop(d, message, k);
    if (signature) return signature;
  }
}

export function holderKey(fresh, entropy) {
  for (let i = 0; ; i++) {
    const d = big(hmacSm3(fresh, label("YM1 holder key"), entropy, uint(i, 1)));
    if (d >= 1n && d <= N - 2n) return d;
  }
}

export function enrolmentProof(d, challenge, account, fresh) {
  return hedgedSign(d, concat(label("YM1 enrol"), challenge, account, publicKeyOf(d)), fresh);
}

export function nextRise(step, lastRise) {
  const lastStep = Math.floor(lastRise / 256);
  demand(lastStep <= step, "CLOCK_BEHIND");
  demand(lastRise < step * 256 + 255, "SEQ_SPENT");
  return Math.max(step * 256, lastRise + 1);
}

const showing = (credential, rise, purposeByte) =>
  pack(credential, [Math.floor(rise / 256), 4], [rise % 256, 1], [purposeByte, 1]);

// Server minus local time, at the middle of one round trip.
export function clockOffset(sent, received, serverTime) {
  demand(received >= sent && received - sent <= 20, "CLOCK_UNSURE");
  return serverTime - (sent + received) / 2;
}

export function show(asked) {
  const { credential, d, localTime, offset, lastRise, purpose, offer, offerEnds, fresh } = asked;
  demand(same(credential.subarray(11, 44), publicKeyOf(d)), "NOT_MINE");
  demand(offset !== null && offset !== undefined, "CLOCK_UNSURE");
  demand(!offer || offer.purpose === purpose, "OTHER_PURPOSE");
  const now = localTime + offset;
  demand(offerEnds === undefined || now < offerEnds + 30, "OFFER_EXPIRED");
  const { issued, lifeSeconds } = readHead(credential);
  demand(now < issued + lifeSeconds, "EXPIRED");
  demand(now >= issued - 30, "NOT_YET_VALID");
  const rise = nextRise(Math.floor(now / 30), lastRise);
  const shown = showing(credential, rise, PURPOSES.indexOf(purpose) | (offer ? BOUND_TO_OFFER : 0));
  const message = holderMessage(shown, offer ? contextOf(offer) : NO_CONTEXT);
  return { rise, bytes: concat(shown, hedgedSign(d, message, fresh)) };
}

// A code as the vectors give it: fields, code nonce and signature nonces.
export function issue(given, keyNamed) {
  const layout = KINDS[given.kind];
  const context = given.context ? fromHex(given.context) : NO_CONTEXT;
  const purposeByte = PURPOSES.indexOf(given.purpose) | (given.context ? BOUND_TO_OFFER : 0);
  const named = [[1, 1], [layout.number, 1], fromHex(given.key_id), [given.class, 1]];
  const head = pack(...named, [seconds(given.issued_at), 4], [given.life, 2]);
  const own = {
    bound: () => publicKeyOf(keyNamed(given.holder)),
    "one-time": () => pack([purposeByte, 1], fromHex(given.nonce)),
    printed: () => fromHex(given.nonce),
  }[given.kind]();
  const before = concat(head, own);
  const signed = concat(before, sealIndex(fromHex(given.index_root), before, given.index));
  const message = issuerMessage(given.kind, signed, context);
  const code = concat(signed, sign(keyNamed(given.key), message, big(fromHex(given.k))));
  if (given.kind !== "bound") return { signed, bytes: code };
  const step = Math.floor(seconds(given.shown_at) / 30);
  const shown = showing(code, step * 256 + given.seq, purposeByte);
  const nonce = big(fromHex(given.holder_k));
  const signature = sign(keyNamed(given.holder), holderMessage(shown, context), nonce);
  return { signed, bytes: concat(shown, signature) };
}
