// Opens what a till asks a phone to bind its code to, with the trust list alone
// (docs/health-code-format.md §9): checked in that page's order, the first that fails names it.

import { joined } from "./bytes.js";
import { Fields } from "./fields.js";
import { PURPOSES } from "./layout.js";
import { holds, isPoint, messageDigest, prefixOf } from "./sm2.js";
import { decode } from "./text.js";
import { standsFor, staleness, TOLERANCE_S, USE_TILL } from "./trust.js";

const PREFIX = "YMO1:";
const SIZE_MIN = 248;
const SIZE_MAX = 307;
const TEXT_MAX = PREFIX.length + Math.ceil((SIZE_MAX * 3) / 2);
const HEAD = 48;
const LIFE_MAX_S = 900;
const CERTIFICATE_LIFE_MAX_S = 366 * 86_400;
const NAME_MAX = 60;
// What does not show, or turns the reading order round.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc\u{e0000}-\u{e0fff}]/u;

/** The offer is not taken; `reason` says why, in the words of the specification. */
export class OfferRefused extends Error {
  constructor(reason) {
    super(reason);
    this.name = "OfferRefused";
    this.reason = reason;
  }
}

function refuse(reason) {
  throw new OfferRefused(reason);
}

function bytesOf(text) {
  try {
    const bytes = decode(text, PREFIX, TEXT_MAX);
    if (bytes.length >= SIZE_MIN && bytes.length <= SIZE_MAX) return bytes;
  } catch {
    // Said below, in one word for all of it.
  }
  return refuse("OFFER_MALFORMED");
}

function readCertificate(bytes) {
  let read;
  try {
    const fields = new Fields(bytes.slice(0, -64));
    const version = fields.whole(1);
    read = {
      keyId: fields.whole(2), issued_s: fields.whole(4), validUntil_s: fields.whole(4),
      institution: fields.take(18), terminal: fields.take(8), tillKey: fields.take(33),
    };
    const name = fields.take(fields.whole(1));
    read.name = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(name);
    const life_s = read.validUntil_s - read.issued_s;
    const isSound = version === 1 && fields.isDone && name.length >= 1 && name.length <= NAME_MAX
      && !HIDDEN.test(read.name) && life_s > 0 && life_s <= CERTIFICATE_LIFE_MAX_S;
    if (!isSound) throw new RangeError("not in form");
  } catch {
    return refuse("TILL_MALFORMED");
  }
  return isPoint(read.tillKey) ? read : refuse("TILL_KEY");
}

/** The key that must have signed the certificate: all that needs no signature. */
function vouchingKey(certificate, trust, now_s) {
  const stale = staleness(trust, now_s);
  if (stale !== null) refuse(stale);
  const key = trust.keys.get(certificate.keyId) ?? refuse("TILL_UNKNOWN");
  if ((key.uses >> (USE_TILL - 1)) % 2 !== 1) refuse("KEY_NOT_FOR_USE");
  if (!standsFor(key, certificate.issued_s, now_s)) refuse("KEY_CLOSED");
  if (certificate.issued_s > now_s + TOLERANCE_S) refuse("TILL_NOT_YET_VALID");
  if (now_s >= certificate.validUntil_s + TOLERANCE_S) refuse("TILL_EXPIRED");
  return key;
}

const isSignedBy = (publicKey, prefix, bytes) => holds(
  publicKey, messageDigest(publicKey, joined(prefixOf(prefix), bytes.slice(0, -64))), bytes.slice(-64),
);

/** The open offer: show `name`, purpose and amount, and sign only after the person agreed. `now_s`
 *  is the server's time. Raises OfferRefused, and nothing else for hostile text. */
export function openOffer(text, trust, now_s) {
  const bytes = bytesOf(text);
  const fields = new Fields(bytes);
  if (fields.whole(1) !== 1) refuse("OFFER_UNSUPPORTED");
  const purpose = PURPOSES[fields.whole(1)];
  const [challenge, billId, amount] = [fields.take(16), fields.take(16), fields.big(8)];
  const [issued_s, life_s] = [fields.whole(4), fields.whole(2)];
  if (purpose === undefined || amount >= 1n << 63n || life_s < 1 || life_s > LIFE_MAX_S) {
    refuse("OFFER_MALFORMED");
  }
  const certified = bytes.slice(HEAD, -64);
  const certificate = readCertificate(certified);
  const key = vouchingKey(certificate, trust, now_s);
  if (issued_s > now_s + TOLERANCE_S) refuse("OFFER_NOT_YET_VALID");
  if (now_s >= issued_s + life_s + TOLERANCE_S) refuse("OFFER_EXPIRED");
  if (!isSignedBy(key.publicKey, "YM1 till", certified)) refuse("TILL_SIGNATURE");
  if (!isSignedBy(certificate.tillKey, "YM1 offer", bytes)) refuse("OFFER_SIGNATURE");
  const { institution, terminal, name } = certificate;
  // A BigInt: an amount may be larger than a number holds exactly.
  const offer = { purpose, institution, terminal, challenge, billId, amount_fen: amount };
  return { name, offer, issued_s, expires_s: issued_s + life_s };
}
