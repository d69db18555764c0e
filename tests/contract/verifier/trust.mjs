// The trust list (§7), and what every check against it has in common.

import { Cursor, concat, demand, hex, instant, label } from "./bytes.mjs";
import { isPoint, verify } from "./sm2.mjs";

const WEEK = 7 * 86_400;
const KNOWN_USES = 0b110111;
export const USE = { bound: 1, "one-time": 2, printed: 4, lists: 16, tills: 32 };

const rises = (values) => values.every((value, i) => i === 0 || values[i - 1] < value);

function readEntry(cursor) {
  const [keyId, publicKey] = [hex(cursor.take(2)), cursor.take(33)];
  const [uses, longestLife, count] = cursor.numbers(1, 4, 1);
  const classes = [...cursor.take(count)];
  const [signsFrom, signsUntil, verifyUntil, cutOff] = cursor.numbers(4, 4, 4, 4);
  demand(uses !== 0 && (uses & ~KNOWN_USES) === 0, cursor.code);
  demand(rises(classes) && isPoint(publicKey), cursor.code);
  const windows = { signsFrom, signsUntil, verifyUntil, cutOff };
  return { keyId, publicKey, uses, longestLife, classes, ...windows };
}

export function openTrustList(list, roots, newestSequence = 0) {
  demand(list.length >= 79 && list.length <= 1 << 20, "LIST_MALFORMED");
  demand(list[0] === 1, "LIST_UNSUPPORTED");
  const body = list.subarray(0, -64);
  const message = concat(label("YM1 trust list"), body);
  demand(roots.some((root) => verify(root, message, list.subarray(-64))), "LIST_SIGNATURE");
  const cursor = new Cursor(body, "LIST_MALFORMED");
  const [, sequence, made, next, count] = cursor.numbers(1, 4, 4, 4, 2);
  const entries = Array.from({ length: count }, () => readEntry(cursor));
  cursor.end();
  demand(rises(entries.map((entry) => entry.keyId)) && made < next, "LIST_MALFORMED");
  demand(sequence >= newestSequence, "LIST_ROLLED_BACK");
  return { sequence, made, next, entries };
}

export const keyOf = (trust, keyId) => trust.entries.find((entry) => entry.keyId === keyId);
export const mayUse = (entry, use) => (entry.uses & use) !== 0;
export const mayClass = ({ classes }, number) => classes.length === 0 || classes.includes(number);

// `newest`: when the newest revocation list held was made, where that counts.
export function checkClock(trust, now, newest = 0) {
  demand(now >= trust.made && now >= newest - 30, "CLOCK_UNSURE");
  demand(now < trust.next + WEEK, "TRUST_LIST_EXPIRED");
  return now >= trust.next ? ["TRUST_LIST_OLD"] : [];
}

// A cut-off of 0 lies before every time, so "none" needs no case of its own.
export function checkWindows(entry, signedAt, now) {
  const inWindow = entry.signsFrom <= signedAt && signedAt < entry.signsUntil;
  demand(inWindow && signedAt >= entry.cutOff && now < entry.verifyUntil, "KEY_CLOSED");
}

const describeEntry = (entry) => ({
  key_id: entry.keyId,
  public_key: hex(entry.publicKey),
  // The vectors number the uses from 1, for bit 0 (§14).
  uses: [1, 2, 3, 4, 5, 6, 7, 8].filter((number) => (entry.uses >> (number - 1)) & 1),
  longest_life: entry.longestLife,
  classes: entry.classes,
  signs_from: instant(entry.signsFrom),
  signs_until: instant(entry.signsUntil),
  verify_until: instant(entry.verifyUntil),
  cut_off: entry.cutOff ? instant(entry.cutOff) : null,
});

export const describe = ({ sequence, made, next, entries }) => ({
  sequence,
  made_at: instant(made),
  next_at: instant(next),
  keys: entries.map(describeEntry),
});
