// Till certificates and offers (§9).

import { decode } from "./base41.mjs";
import { Cursor, big, concat, demand, fromHex, hex, instant, label } from "./bytes.mjs";
import { pack, seconds } from "./bytes.mjs";
import { PURPOSES, contextOf } from "./codes.mjs";
import { isPoint, sign, verify } from "./sm2.mjs";
import { USE, checkClock, checkWindows, keyOf, mayUse } from "./trust.mjs";

const TOLERANCE = 30;
const CERTIFICATE_LIFE_MAX = 366 * 86_400;
const NOT_SHOWN =
  /[\u{0}-\u{1f}\u{7f}-\u{9f}\u{ad}\u{61c}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{feff}\u{fff9}-\u{fffc}\u{e0000}-\u{e0fff}]/u;

// As the vectors write it (§14): a number, or digits where a number may not hold it.
const amountOf = (amount) => (amount < 1n << 53n ? Number(amount) : amount.toString());
const tillMessage = (fields) => concat(label("YM1 till"), fields);
const offerMessage = (fields) => concat(label("YM1 offer"), fields);

function readName(bytes) {
  try {
    // Without ignoreBOM a leading U+FEFF would vanish before it could be refused.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function readCertificate(bytes) {
  const cursor = new Cursor(bytes, "TILL_MALFORMED");
  demand(cursor.numbers(1)[0] === 1, cursor.code);
  const keyId = hex(cursor.take(2));
  const [issued, until] = cursor.numbers(4, 4);
  const [institution, terminal] = [hex(cursor.take(18)), hex(cursor.take(8))];
  const key = cursor.take(33);
  const [length] = cursor.numbers(1);
  const name = readName(cursor.take(length));
  const [signed, signature] = [bytes.subarray(0, cursor.at), cursor.take(64)];
  cursor.end();
  demand(until > issued && until - issued <= CERTIFICATE_LIFE_MAX, cursor.code);
  demand(length >= 1 && length <= 60 && name !== null && !NOT_SHOWN.test(name), cursor.code);
  demand(isPoint(key), "TILL_KEY");
  return { keyId, issued, until, institution, terminal, key, name, signed, signature };
}

export function openOffer(text, trust, now) {
  const malformed = "OFFER_MALFORMED";
  const bytes = decode("YMO1:", text, malformed);
  demand(bytes.length >= 248 && bytes.length <= 307, malformed);
  demand(bytes[0] === 1, "OFFER_UNSUPPORTED");
  const cursor = new Cursor(bytes.subarray(1), malformed);
  const purpose = PURPOSES[cursor.numbers(1)[0]];
  const [challenge, bill] = [hex(cursor.take(16)), hex(cursor.take(16))];
  const amount = big(cursor.take(8));
  const [issued, life] = cursor.numbers(4, 2);
  demand(purpose && amount < 1n << 63n && life >= 1 && life <= 900, malformed);
  const till = readCertificate(bytes.subarray(48, -64));
  checkClock(trust, now);
  const key = keyOf(trust, till.keyId);
  demand(key, "TILL_UNKNOWN");
  demand(mayUse(key, USE.tills), "KEY_NOT_FOR_USE");
  checkWindows(key, till.issued, now);
  demand(till.issued <= now + TOLERANCE, "TILL_NOT_YET_VALID");
  demand(now < till.until + TOLERANCE, "TILL_EXPIRED");
  demand(issued <= now + TOLERANCE, "OFFER_NOT_YET_VALID");
  demand(now < issued + life + TOLERANCE, "OFFER_EXPIRED");
  demand(verify(key.publicKey, tillMessage(till.signed), till.signature), "TILL_SIGNATURE");
  const signed = offerMessage(bytes.subarray(0, -64));
  demand(verify(till.key, signed, bytes.subarray(-64)), "OFFER_SIGNATURE");
  const place = { institution: till.institution, terminal: till.terminal };
  const asked = { challenge, bill_id: bill, amount_fen: amountOf(amount) };
  const offer = { purpose, ...place, ...asked };
  const times = { issued_at: instant(issued), expires_at: instant(issued + life) };
  return { error: null, ...offer, name: till.name, ...times, context: hex(contextOf(offer)) };
}

export function makeCertificate(given, key) {
  const name = Uint8Array.from(Buffer.from(given.name, "utf8"));
  const times = [given.issued_at, given.valid_until].map((time) => [seconds(time), 4]);
  const place = [given.institution, given.terminal, given.till_key].map(fromHex);
  const fields = pack([1, 1], fromHex(given.key_id), ...times, ...place, [name.length, 1], name);
  return concat(fields, sign(key, tillMessage(fields), big(fromHex(given.k))));
}

export function makeOffer(given, key) {
  const { purpose, challenge, bill_id: bill, amount_fen: amount } = given.offer;
  const asked = [[PURPOSES.indexOf(purpose), 1], fromHex(challenge), fromHex(bill), [amount, 8]];
  const times = [[seconds(given.issued_at), 4], [given.life, 2]];
  const fields = pack([1, 1], ...asked, ...times, fromHex(given.certificate));
  return concat(fields, sign(key, offerMessage(fields), big(fromHex(given.k))));
}
