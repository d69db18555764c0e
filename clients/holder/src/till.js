// A till: its key, the platform's certificate for it, and the offers that it shows
// (docs/health-code-format.md §9). It signs nothing but offers.

import { correction, generate, mode } from "lean-qr";
import { toSvgSource } from "lean-qr/extras/svg";
import { areEqual, ascii, bigEndian, fromHex, joined, toHex, toNumber } from "./bytes.js";
import { mixedKey, nonce, platformBytes } from "./hedged.js";
import { PURPOSES } from "./layout.js";
import { digestOf, holds, messageDigest, prefixOf, publicKeyOf, signDigest } from "./sm2.js";
import { encode } from "./text.js";

const PREFIX = "YMO1:";
const BYTES_MAX = 307;
const LIFE_MAX_S = 900;
const CERTIFICATE_MIN = 136;
const TILL_KEY_AT = 37;

/** What a certificate says of its time and key; the platform's signature is for phones to judge. */
function termsOf(certificate) {
  if (certificate.length < CERTIFICATE_MIN) throw new RangeError("not a till certificate");
  return {
    issued_s: toNumber(certificate.slice(3, 7)),
    validUntil_s: toNumber(certificate.slice(7, 11)),
    tillKey: certificate.slice(TILL_KEY_AT, TILL_KEY_AT + 33),
  };
}

/** The 16 bytes by which an offer names the bill of this public id. */
export const billIdOf = (publicId) => digestOf(ascii(publicId)).slice(0, 16);

/** The text of an offer `{purpose, challenge 16, billId 16, amount_fen, issued_s, life_s}` by the
 *  till that the certificate names, verified before it is given out; a RangeError for fields out
 *  of range or another till's certificate. `nonceOf(digest)` gives the signature's nonce. */
export function makeOffer(asked, certificate, key, nonceOf) {
  const { challenge, billId, issued_s, life_s } = asked;
  const [purpose, amount] = [PURPOSES.indexOf(asked.purpose), BigInt(asked.amount_fen)];
  const fits = challenge.length === 16 && billId.length === 16 && purpose >= 0
    && amount >= 0n && amount < 1n << 63n && life_s >= 1 && life_s <= LIFE_MAX_S;
  const publicKey = publicKeyOf(key);
  if (!fits || !areEqual(termsOf(certificate).tillKey, publicKey)) {
    throw new RangeError("not an offer that this till can make");
  }
  const body = joined(1, purpose, challenge, billId, bigEndian(amount, 8),
    bigEndian(issued_s, 4), bigEndian(life_s, 2), certificate);
  const digest = messageDigest(publicKey, joined(prefixOf("YM1 offer"), body));
  const signature = signDigest(key, digest, nonceOf(digest));
  if (!holds(publicKey, digest, signature)) throw new Error("the signature did not verify");
  return encode(joined(body, signature), PREFIX, BYTES_MAX);
}

/** An offer's QR symbol as SVG text, as an address of the resident's page: level M, the address
 *  byte by byte and the offer in the alphanumeric mode. */
export function offerSymbol(address, text) {
  const symbol = generate(mode.multi(mode.ascii(address), mode.alphaNumeric(text)), {
    minCorrectionLevel: correction.M, maxCorrectionLevel: correction.M,
  });
  return toSvgSource(symbol, { pad: 4 });
}

/** `call(publicKey)` asks the platform for a certificate, in hex: `{certificate}`, or raises.
 *  `owner` names the terminal, `seed` has 32 bytes that somebody else drew: the platform. */
export class Till {
  constructor({ store, call, owner, seed, clock, draw = platformBytes }) {
    Object.assign(this, { store, call, owner, seed, clock, draw });
    this.record = null;
    this.running = null;
  }

  /** Takes up what is kept, unless it is another terminal's. */
  async load() {
    const record = await this.store.read();
    this.record = record?.owner === this.owner ? record : null;
    return this;
  }

  now_s() {
    return Math.floor(this.clock() / 1_000);
  }

  /** Whether an offer made now would live to its end. */
  get canOffer() {
    return this.record !== null && this.now_s() + LIFE_MAX_S < this.record.validUntil_s;
  }

  /** Whether half the certificate's life is over, or there is none. */
  get isDue() {
    const { record } = this;
    return !this.canOffer || this.now_s() >= (record.issued_s + record.validUntil_s) / 2;
  }

  /** A new key and its certificate when it is time to, once at a time. A key that is still
   *  certified goes on when that fails; without one it raises what `call` raised. */
  async keepFresh() {
    if (!this.isDue) return;
    this.running ??= this.renew().finally(() => { this.running = null; });
    try {
      await this.running;
    } catch (fault) {
      if (!this.canOffer) throw fault;
    }
  }

  async renew() {
    const seed = digestOf(joined(prefixOf("YM1 till key"), this.seed));
    const key = mixedKey(this.draw(), seed);
    const publicKey = publicKeyOf(key);
    const answer = await this.call(toHex(publicKey));
    const certificate = fromHex(answer.certificate);
    const { issued_s, validUntil_s, tillKey } = termsOf(certificate);
    if (!areEqual(tillKey, publicKey)) throw new RangeError("a certificate for another key");
    const record = { owner: this.owner, key, certificate, issued_s, validUntil_s };
    this.record = await this.store.change(() => record);
  }

  /** A new offer `{text, expires_s}`, of this moment. */
  offer({ purpose, billId, amount_fen }, life_s) {
    if (!this.canOffer) throw new Error("no certificate to make offers with");
    const { key, certificate } = this.record;
    const [challenge, issued_s] = [this.draw().slice(0, 16), this.now_s()];
    const asked = { purpose, challenge, billId, amount_fen, issued_s, life_s };
    const text = makeOffer(asked, certificate, key, (digest) => nonce(key, digest, this.draw()));
    return { text, expires_s: issued_s + life_s };
  }

  /** Key and certificate are gone: the platform no longer takes them. */
  async forget() {
    this.record = await this.store.change(() => null);
  }
}
