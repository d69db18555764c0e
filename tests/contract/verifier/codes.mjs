// The bytes of a code (§3), its context (§4) and its index (§6).

import { decode } from "./base41.mjs";
import { Cursor, concat, demand, fromHex, hex, label, pack, same } from "./bytes.mjs";
import { hmacSm3, sm3 } from "./sm3.mjs";
import { decryptBlock, encryptBlock } from "./sm4.mjs";

export const PURPOSES = ["identify", "register", "pay", "open_archive", "collect", "consent"];
export const BOUND_TO_OFFER = 0x80;
export const NO_CONTEXT = new Uint8Array(32);
const DAY = 86_400;
const YEAR = 31_536_000;

// `index` and `signed` are where the index begins and where the issuer's signature does.
export const KINDS = {
  bound: { number: 1, length: 194, index: 44, signed: 60, unit: 60, longest: 4320, period: DAY },
  "one-time": { number: 2, length: 100, index: 20, signed: 36, unit: 1, longest: 120, period: DAY },
  printed: { number: 3, length: 99, index: 19, signed: 35, unit: DAY, longest: 1827, period: YEAR },
};
const ISSUER_PREFIX = {
  bound: "YM1 bound issuer",
  "one-time": "YM1 once issuer",
  printed: "YM1 printed issuer",
};

const kindNumbered = (number) => Object.keys(KINDS).find((name) => KINDS[name].number === number);
export const codeIdOf = (signed) => hex(sm3(label("YM1 code id"), signed).subarray(0, 16));

export function readHead(bytes) {
  const cursor = new Cursor(bytes, "CODE_MALFORMED");
  const [version, number] = cursor.numbers(1, 1);
  const kind = kindNumbered(number);
  demand(version === 1 && kind, "CODE_UNSUPPORTED");
  const keyId = hex(cursor.take(2));
  const [classNumber, issued, life] = cursor.numbers(1, 4, 2);
  return { kind, keyId, class: classNumber, issued, life, lifeSeconds: life * KINDS[kind].unit };
}

// Checks 1 and 2.
export function readCode(text) {
  demand(text.length <= 310, "CODE_MALFORMED");
  const bytes = decode("YM1:", text, "CODE_MALFORMED");
  demand(bytes.length >= 11, "CODE_MALFORMED");
  const code = { bytes, ...readHead(bytes), purposeByte: 0 };
  const { length, longest, signed } = KINDS[code.kind];
  demand(bytes.length === length && code.life >= 1 && code.life <= longest, "CODE_MALFORMED");
  code.signed = bytes.subarray(0, signed);
  code.signature = bytes.subarray(signed, signed + 64);
  code.codeId = codeIdOf(code.signed);
  if (code.kind === "one-time") code.purposeByte = bytes[11];
  if (code.kind === "bound") {
    code.holderKey = bytes.subarray(11, 44);
    [code.step, code.seq, code.purposeByte] = new Cursor(bytes.subarray(124)).numbers(4, 1, 1);
    code.shown = bytes.subarray(0, 130);
    code.holderSignature = bytes.subarray(130);
  }
  return code;
}

export function issuerMessage(kind, signed, context) {
  const message = concat(label(ISSUER_PREFIX[kind]), signed);
  return kind === "one-time" ? concat(message, context) : message;
}

export const holderMessage = (shown, context) => concat(label("YM1 bound holder"), shown, context);

export function contextOf(offer) {
  const fields = [offer.institution, offer.terminal, offer.challenge, offer.bill_id].map(fromHex);
  const purpose = PURPOSES.indexOf(offer.purpose) | BOUND_TO_OFFER;
  return sm3(label("YM1 context"), pack([purpose, 1], ...fields, [offer.amount_fen, 8]));
}

function indexCipher(root, before) {
  const head = readHead(before);
  const { number, period } = KINDS[head.kind];
  const when = Math.floor(head.issued / period);
  const named = pack([number, 1], fromHex(head.keyId), [head.class, 1], [when, 4]);
  const iv = sm3(label("YM1 index iv"), before);
  const key = hmacSm3(root, label("YM1 index key"), named).subarray(0, 16);
  return { key, withIv: (block) => block.map((byte, i) => byte ^ iv[i]) };
}

export function sealIndex(root, before, index) {
  const { key, withIv } = indexCipher(root, before);
  const plain = pack(fromHex(index.record_id), [index.card, 2], [index.epoch, 2], [0, 4]);
  return encryptBlock(key, withIv(plain));
}

export function openIndex(root, code) {
  const start = KINDS[code.kind].index;
  const { key, withIv } = indexCipher(root, code.bytes.subarray(0, start));
  const plain = withIv(decryptBlock(key, code.bytes.subarray(start, start + 16)));
  if (!same(plain.subarray(12), new Uint8Array(4))) return null;
  const [card, epoch] = new Cursor(plain.subarray(8)).numbers(2, 2);
  return { record_id: hex(plain.subarray(0, 8)), card, epoch };
}
