// Revocation lists (§8): full lists, deltas, and which list answers for a code.

import { Cursor, Refused, big, concat, demand, fromHex, hex, instant, label } from "./bytes.mjs";
import { pack, same, seconds, uint } from "./bytes.mjs";
import { NUMBERS_MAX, readSection, writeSection } from "./rice.mjs";
import { sm3 } from "./sm3.mjs";
import { sign, verify } from "./sm2.mjs";
import { USE, checkClock, checkWindows, keyOf, mayClass, mayUse } from "./trust.mjs";

const POSITION_WIDTH = 32;
const SCOPES = ["bound", "printed"];

const inOrder = (entries) => entries.sort((one, other) => (one < other ? -1 : 1));
const leading = (codeId, width) => big(fromHex(codeId).subarray(0, width / 8));

export const holds = (list, codeId) => list.entries.includes(leading(codeId, list.width));

export function digestOf(list) {
  const { scope, class: number, sequence, width, entries } = list;
  const named = pack([scope, 1], [number, 1], [sequence, 4], [width, 1], [entries.length, 4]);
  return sm3(label("YM1 revoked set"), named, ...entries.map((entry) => uint(entry, 8)));
}

// Checks 1 to 7 of taking a list.
function readList(bytes, trust, now) {
  const malformed = "LIST_MALFORMED";
  demand(bytes.length >= 91 && bytes.length <= 8 << 20, malformed);
  demand(bytes[0] === 1, "LIST_UNSUPPORTED");
  checkClock(trust, now);
  const body = bytes.subarray(0, -64);
  const cursor = new Cursor(body.subarray(1), malformed);
  const key = keyOf(trust, hex(cursor.take(2)));
  const fields = cursor.numbers(1, 1, 4, 4, 4, 4, 1);
  const [number, scope, sequence, base, made, next, width] = fields;
  demand(key, "KEY_UNKNOWN");
  demand(mayUse(key, USE.lists) && mayClass(key, number), "KEY_NOT_FOR_USE");
  checkWindows(key, made, now);
  const message = concat(label("YM1 revoked"), body);
  demand(verify(key.publicKey, message, bytes.subarray(-64)), "LIST_SIGNATURE");
  demand(SCOPES[scope - 1] && [48, 64].includes(width), malformed);
  demand(base < sequence && made < next, malformed);
  const list = { class: number, scope, sequence, base, made, next, width };
  if (base) {
    list.digest = cursor.take(32);
    list.removed = readSection(cursor, POSITION_WIDTH);
    list.added = readSection(cursor, width);
  } else {
    list.entries = readSection(cursor, width);
  }
  cursor.end();
  demand(made <= now + 30, "CLOCK_UNSURE");
  return list;
}

function applied(before, delta) {
  const wrong = "LIST_WRONG_BASE";
  const alike = (field) => before[field] === delta[field];
  demand(before && before.sequence === delta.base, wrong);
  demand(alike("scope") && alike("class") && alike("width"), wrong);
  demand(before.made <= delta.made, wrong);
  demand(delta.removed.every((position) => position < before.entries.length), wrong);
  // An entry that this delta itself removes is "there already" as well.
  demand(!delta.added.some((entry) => before.entries.includes(entry)), wrong);
  const gone = new Set(delta.removed.map(Number));
  const kept = before.entries.filter((_, position) => !gone.has(position));
  demand(kept.length + delta.added.length <= NUMBERS_MAX, wrong);
  const list = { ...delta, entries: inOrder([...kept, ...delta.added]) };
  demand(same(digestOf(list), delta.digest), wrong);
  return list;
}

// A full list and the deltas behind it. Check 9 is made once, on what comes out in the end.
export function takeChain(files, trust, now, newestSequence = 0) {
  let held;
  for (const bytes of files) {
    const read = readList(bytes, trust, now);
    held = read.base ? applied(held, read) : read;
  }
  demand(held.sequence >= newestSequence, "LIST_ROLLED_BACK");
  return held;
}

// Lists of any scope and class, one after the other; one that is refused changes nothing.
export function takeLists(files, trust, now) {
  const held = new Map();
  for (const bytes of files) {
    try {
      const read = readList(bytes, trust, now);
      const place = `${read.scope} ${read.class}`;
      const before = held.get(place);
      const list = read.base ? applied(before, read) : read;
      demand(!before || list.sequence >= before.sequence, "LIST_ROLLED_BACK");
      held.set(place, list);
    } catch (refusal) {
      if (!(refusal instanceof Refused)) throw refusal;
    }
  }
  return [...held.values()];
}

export function asHeld(lists) {
  return {
    newest: Math.max(0, ...lists.map((list) => list.made)),
    answering(kind, number) {
      const ofScope = lists.filter((list) => SCOPES[list.scope - 1] === kind);
      const fit = ofScope.filter((list) => [0, number].includes(list.class));
      // Made in the same second, the class's own answers; it is the one that is not 0.
      const list = fit.sort((one, other) => other.made - one.made || other.class - one.class)[0];
      return list && { made: list.made, holds: (codeId) => holds(list, codeId) };
    },
  };
}

export const describe = (list) => ({
  scope: SCOPES[list.scope - 1],
  class: list.class,
  sequence: list.sequence,
  made_at: instant(list.made),
  next_at: instant(list.next),
  width: list.width,
  entries: list.entries.map((entry) => hex(uint(entry, list.width / 8))),
});

export function planList(given) {
  const { class: number, sequence, code_ids: codeIds, innocent } = given;
  const at = (width) => new Set(codeIds.map((codeId) => leading(codeId, width)));
  const width = innocent.some((codeId) => at(48).has(leading(codeId, 48))) ? 64 : 48;
  const [scope, made, next] = [SCOPES.indexOf(given.scope) + 1, given.made_at, given.next_at];
  const times = { made: seconds(made), next: seconds(next) };
  return { class: number, scope, sequence, ...times, width, entries: inOrder([...at(width)]) };
}

export function signList(list, old, given, key) {
  const base = old ? old.sequence : 0;
  const rest = old ? deltaBetween(old, list) : writeSection(list.entries);
  const named = [[list.class, 1], [list.scope, 1], [list.sequence, 4], [base, 4]];
  const times = [[list.made, 4], [list.next, 4]];
  const body = pack([1, 1], fromHex(given.key_id), ...named, ...times, [list.width, 1], rest);
  return concat(body, sign(key, concat(label("YM1 revoked"), body), big(fromHex(given.k))));
}

function deltaBetween(old, list) {
  const [before, after] = [new Set(old.entries), new Set(list.entries)];
  const removed = [...old.entries.keys()].filter((position) => !after.has(old.entries[position]));
  const added = list.entries.filter((entry) => !before.has(entry));
  return concat(digestOf(list), writeSection(removed.map(BigInt)), writeSection(added));
}
