// The bytes of a bound code and what is signed over them (docs/health-code-format.md §3, §4).

import { areEqual, ascii, bigEndian, joined, toNumber } from "./bytes.js";
import { digestOf, prefixOf } from "./sm2.js";

export const STEP_S = 30;
export const PURPOSES = ["identify", "register", "pay", "open_archive", "collect", "consent"];
export const NO_CONTEXT = new Uint8Array(32);
const CONTEXT_BIT = 0x80;
const LIFE_MAX_MIN = 4320;
const CREDENTIAL_SIZE = 124;

/** What a phone must know of its credential; a RangeError unless it is one of a bound code. */
export function readCredential(bytes) {
  const life = toNumber(bytes.slice(9, 11));
  const fits = bytes.length === CREDENTIAL_SIZE && bytes[0] === 1 && bytes[1] === 1;
  if (!fits || life < 1 || life > LIFE_MAX_MIN) throw new RangeError("not a credential");
  const issued_s = toNumber(bytes.slice(5, 9));
  return {
    issued_s,
    life_s: life * 60,
    expires_s: issued_s + life * 60,
    holderKey: bytes.slice(11, 44),
    codeId: digestOf(joined(prefixOf("YM1 code id"), bytes.slice(0, 60))).slice(0, 16),
  };
}

/** Bytes 0 to 129 of a code. */
export function shownBytes(credential, step, seq, purpose, isBound) {
  const number = purposeNumber(purpose);
  return joined(credential, bigEndian(step, 4), bigEndian(seq, 1), number | (isBound ? CONTEXT_BIT : 0));
}

function purposeNumber(purpose) {
  const number = PURPOSES.indexOf(purpose);
  if (number < 0) throw new RangeError("no such purpose");
  return number;
}

/** What the phone signs. */
export const holderMessage = (shown, context) => joined(prefixOf("YM1 bound holder"), shown, context);

/** What the phone signs to prove that it holds its new key: 32, 16 and 33 bytes. */
export function enrolMessage(challenge, account, holderKey) {
  if (challenge.length !== 32 || account.length !== 16 || holderKey.length !== 33) {
    throw new RangeError("enrolment fields have fixed sizes");
  }
  return joined(prefixOf("YM1 enrol"), challenge, account, holderKey);
}

/** The 32 bytes that bind a code to an offer:
 *  `{purpose, institution 18, terminal 8, challenge 16, billId 16, amount_fen}`. */
export function contextOf(offer) {
  const { institution, terminal, challenge, billId } = offer;
  const sizes = [institution, terminal, challenge, billId].map((part) => part.length);
  if (!areEqual(sizes, [18, 8, 16, 16])) throw new RangeError("offer fields have fixed sizes");
  const amount = BigInt(offer.amount_fen);
  if (amount < 0n || amount >= 1n << 63n) throw new RangeError("the amount is out of range");
  return digestOf(joined(
    ascii("YM1 context\0"), purposeNumber(offer.purpose) | CONTEXT_BIT,
    institution, terminal, challenge, billId, bigEndian(amount, 8),
  ));
}
