// A phone's key with its credential: enrols, keeps the server's clock, shows each (step, seq) once.
// The same as crypto/healthcode/holder.py, over the same vectors.

import { areEqual, fromHex, joined, toHex } from "./bytes.js";
import { mixedKey, nonce, platformBytes } from "./hedged.js";
import {
  contextOf, enrolMessage, holderMessage, NO_CONTEXT, readCredential, shownBytes, STEP_S,
} from "./layout.js";
import { holds, messageDigest, publicKeyOf, signDigest } from "./sm2.js";
import { TOLERANCE_S } from "./trust.js";
import { encode } from "./text.js";

const SEQ_MAX = 255;
const AHEAD_MAX_S = 30;
const ROUND_TRIP_MAX_S = 20;

/** The holder shows nothing; `reason` says why, in the words of the reference holder. */
export class HolderRefused extends Error {
  constructor(reason) {
    super(reason);
    this.name = "HolderRefused";
    this.reason = reason;
  }
}

/** Server minus local time in seconds, at the middle of the round trip. Times in milliseconds. */
export function clockOffset_s(sent_ms, received_ms, server_ms) {
  const trip_ms = received_ms - sent_ms;
  if (!(trip_ms >= 0 && trip_ms <= ROUND_TRIP_MAX_S * 1_000) || !Number.isFinite(server_ms)) {
    throw new HolderRefused("CLOCK_UNSURE");
  }
  return (server_ms - (sent_ms + trip_ms / 2)) / 1_000;
}

/** Signs, and verifies before it lets the signature out. */
function signed(key, publicKey, message, fresh) {
  const digest = messageDigest(publicKey, message);
  const signature = signDigest(key, digest, nonce(key, digest, fresh));
  if (!holds(publicKey, digest, signature)) throw new Error("the signature did not verify");
  return signature;
}

/** A new key and its proof for a server's challenge `{challenge, account, entropy}` in hex:
 *  `{key, holderKey, proof}` as bytes. */
export function enrolment(challenge, draw = platformBytes) {
  const key = mixedKey(draw(), fromHex(challenge.entropy, 32));
  const holderKey = publicKeyOf(key);
  const proof = enrolProof(key, fromHex(challenge.challenge, 32), fromHex(challenge.account, 16), draw);
  return { key, holderKey, proof };
}

/** The proof of possession of a key: 64 bytes. */
export function enrolProof(key, challenge, account, draw = platformBytes) {
  const holderKey = publicKeyOf(key);
  return signed(key, holderKey, enrolMessage(challenge, account, holderKey), draw());
}

/** `{key, credential, clockOffset_s, lastRise}`: store `lastRise` before a code is drawn. */
export class Holder {
  constructor({ key, credential, clockOffset_s = 0, lastRise = 0, draw = platformBytes }) {
    this.terms = readCredential(credential);
    this.publicKey = publicKeyOf(key);
    if (!areEqual(this.publicKey, this.terms.holderKey)) throw new HolderRefused("NOT_MINE");
    this.key = key;
    this.credential = credential;
    this.clockOffset_s = clockOffset_s;
    this.lastRise = lastRise;
    this.draw = draw;
  }

  get codeId() {
    return toHex(this.terms.codeId);
  }

  /** The server's time in seconds at a local time; HolderRefused if no round trip told it. */
  server_s(now_ms) {
    if (this.clockOffset_s === null) throw new HolderRefused("CLOCK_UNSURE");
    return now_ms / 1_000 + this.clockOffset_s;
  }

  isExpired(now_ms) {
    return this.server_s(now_ms) >= this.terms.expires_s;
  }

  /** Whether half the life is over. */
  wantsRenewal(now_ms) {
    return this.server_s(now_ms) >= this.terms.issued_s + this.terms.life_s / 2;
  }

  /** Seconds until the next step begins. */
  stepLeft_s(now_ms) {
    return STEP_S - (this.server_s(now_ms) % STEP_S);
  }

  /** The least rise of the present step above the last one. */
  nextRise(now_ms) {
    const second = Math.floor(this.server_s(now_ms));
    if (second >= this.terms.expires_s) throw new HolderRefused("EXPIRED");
    if (second < this.terms.issued_s - AHEAD_MAX_S) throw new HolderRefused("NOT_YET_VALID");
    const step = Math.floor(second / STEP_S);
    const rise = Math.max(step * 256, this.lastRise + 1);
    if (Math.floor(rise / 256) === step) return rise;
    throw new HolderRefused(Math.floor(this.lastRise / 256) === step ? "SEQ_SPENT" : "CLOCK_BEHIND");
  }

  /** Refuses an offer of another purpose, and one that ended (`offerExpires_s`, as `openOffer` gave
   *  it) while the person read it. */
  checkOffer(now_ms, purpose, offer, offerExpires_s) {
    const now_s = this.server_s(now_ms);
    checkPurpose(purpose, offer);
    if (offerExpires_s !== null && now_s >= offerExpires_s + TOLERANCE_S) {
      throw new HolderRefused("OFFER_EXPIRED");
    }
  }

  /** `{text, bytes, lastRise}` for this moment, verified before it is given out. */
  show(now_ms, purpose = "identify", offer = null, offerExpires_s = null) {
    this.checkOffer(now_ms, purpose, offer, offerExpires_s);
    return this.showAt(this.nextRise(now_ms), purpose, offer);
  }

  /** The same for a rise that `nextRise` gave and that is stored already. */
  showAt(rise, purpose = "identify", offer = null) {
    checkPurpose(purpose, offer);
    if (rise <= this.lastRise) throw new HolderRefused("CLOCK_BEHIND");
    this.lastRise = rise;
    const context = offer === null ? NO_CONTEXT : contextOf(offer);
    const step = Math.floor(rise / 256);
    const shown = shownBytes(this.credential, step, rise & SEQ_MAX, purpose, offer !== null);
    const bytes = joined(shown, signed(this.key, this.publicKey, holderMessage(shown, context), this.draw()));
    return { text: encode(bytes), bytes, lastRise: rise };
  }
}

function checkPurpose(purpose, offer) {
  if (offer !== null && offer.purpose !== purpose) throw new HolderRefused("OTHER_PURPOSE");
}
