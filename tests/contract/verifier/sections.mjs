// What each section of a vector file asks (§14): from a case to what comes out.

import { decode, encode } from "./base41.mjs";
import { Cursor, Refused, ascii, big, demand, fromHex, hex, label, pack } from "./bytes.mjs";
import { seconds, uint } from "./bytes.mjs";
import { PURPOSES, codeIdOf, contextOf } from "./codes.mjs";
import { makeCertificate, makeOffer, openOffer } from "./offers.mjs";
import { candidates, clockOffset, enrolmentProof, holderKey, issue } from "./phone.mjs";
import { nonceBelow, show } from "./phone.mjs";
import * as revocation from "./revocation.mjs";
import { readSection, writeSection } from "./rice.mjs";
import { sm3 } from "./sm3.mjs";
import { N, publicKeyOf } from "./sm2.mjs";
import { describe, openTrustList } from "./trust.mjs";
import { accept } from "./verdict.mjs";

const keyNamed = (file, name) => big(fromHex(file.keys[name]));

function trustOf(file, example) {
  const list = fromHex(file.trust_lists[example.trust_list ?? "current"]);
  return openTrustList(list, [fromHex(file.root)]);
}

function refusable(act) {
  try {
    return act();
  } catch (refusal) {
    if (!(refusal instanceof Refused)) throw refusal;
    return { error: refusal.code, ...refusal.more };
  }
}

const judged = (text, reader) =>
  ({ valid: false, ...refusable(() => accept(text, { wanted: "identify", ...reader })) });

function text(example) {
  return refusable(() => {
    demand(example.text.length <= 310, "CODE_MALFORMED");
    const bytes = decode("YM1:", example.text, "CODE_MALFORMED");
    return { error: null, bytes: hex(bytes), text: encode("YM1:", bytes) };
  });
}

function rice(example) {
  return refusable(() => {
    const cursor = new Cursor(fromHex(example.section), "LIST_MALFORMED");
    const numbers = readSection(cursor, example.width);
    cursor.end();
    return { error: null, numbers: numbers.map(String), section: hex(writeSection(numbers)) };
  });
}

const filled = (given, { zeros, behind = "" }) => given + "00".repeat(zeros) + behind;

function riceFilled(example) {
  const { count = null } = refusable(() => {
    const section = filled(example.section, example);
    const { numbers, section: again } = rice({ ...example, section });
    return numbers && again === section ? { count: numbers.length } : {};
  });
  return { count };
}

function heldLists({ lists, revocations, now, lists_taken_at: takenAt }, trust) {
  if (lists) {
    const taken = revocation.takeLists(lists.map(fromHex), trust, seconds(takenAt ?? now));
    return revocation.asHeld(taken);
  }
  if (!revocations) return undefined;
  const made = seconds(revocations.made_at);
  const holds = (codeId) => revocations.code_ids.includes(codeId);
  return { newest: made, answering: () => ({ made, holds }) };
}

function verify(example, file) {
  const trust = trustOf(file, example);
  const { wanted, context, context_required: contextRequired } = example.reader ?? {};
  return judged(example.text, {
    now: seconds(example.now),
    trust,
    lists: heldLists(example, trust),
    ...(wanted && { wanted }),
    context: context && fromHex(context),
    contextRequired,
    seen: new Map(),
    indexRoot: example.index_root && fromHex(example.index_root),
  });
}

function issued({ given }, file) {
  const { signed, bytes } = issue(given, (name) => keyNamed(file, name));
  return { bytes: hex(bytes), text: encode("YM1:", bytes), code_id: codeIdOf(signed) };
}

function madeList({ given }, file) {
  const old = given.old && revocation.planList(given.old);
  const list = revocation.planList(given.new ?? given);
  const signed = revocation.signList(list, old, given, keyNamed(file, given.key));
  return { list: hex(signed), width: list.width, digest: hex(revocation.digestOf(list)) };
}

function openedLists(example, file) {
  const { lists, now, newest_sequence: newest, expect } = example;
  const trust = trustOf(file, example);
  return refusable(() => {
    const taken = revocation.takeChain(lists.map(fromHex), trust, seconds(now), newest);
    const asked = Object.keys(expect.holds ?? {});
    const holds = asked.map((codeId) => [codeId, revocation.holds(taken, codeId)]);
    return { error: null, ...revocation.describe(taken), holds: Object.fromEntries(holds) };
  });
}

function trustList(example, file) {
  const roots = (example.roots ?? [file.root]).map(fromHex);
  const open = () => openTrustList(fromHex(example.list), roots, example.newest_sequence);
  return refusable(() => ({ error: null, ...describe(open()) }));
}

function nonce({ key, digest, fresh, below }) {
  const seed = [big(fromHex(key)), fromHex(digest), fromHex(fresh)];
  const drawn = candidates(...seed);
  return {
    candidates: [1, 2, 3].map(() => hex(uint(drawn.next().value, 32))),
    k: hex(uint(nonceBelow(below ? big(fromHex(below)) : N, ...seed), 32)),
  };
}

function madeHolderKey(example) {
  const d = holderKey(fromHex(example.fresh), fromHex(example.entropy));
  return { key: hex(uint(d, 32)), holder_key: hex(publicKeyOf(d)) };
}

function enrolled({ key, challenge, account, fresh }, file) {
  const drawn = [challenge, account, fresh].map(fromHex);
  return { proof: hex(enrolmentProof(keyNamed(file, key), ...drawn)) };
}

function shown(example, file) {
  const { purpose, offer, clock_offset_s: offset, last_rise: lastRise } = example;
  const offerEnds = example.offer_expires_at && seconds(example.offer_expires_at);
  const d = keyNamed(file, example.key);
  const [credential, fresh] = [example.credential, example.fresh].map(fromHex);
  const asked = { purpose, offer, offerEnds, offset, lastRise, localTime: seconds(example.now) };
  return refusable(() => {
    const { rise, bytes } = show({ d, credential, fresh, ...asked });
    return { text: encode("YM1:", bytes), bytes: hex(bytes), last_rise: rise };
  });
}

const times = ({ sent, received, server_time: serverTime }) =>
  [sent, received, serverTime].map(seconds);

function seen(example, file) {
  const reader = { trust: trustOf(file, example), seen: new Map() };
  const scanned = ({ text, now }) => judged(text, { ...reader, now: seconds(now) });
  return { errors: example.scans.map((scan) => scanned(scan).error) };
}

function shownLog(example) {
  let head = new Uint8Array(32);
  const heads = example.entries.map((entry) => {
    const offer = ascii(entry.offer ?? "");
    const when = [[seconds(entry.scanned_at), 4], [PURPOSES.indexOf(entry.purpose), 1]];
    const bytes = pack(...when, [offer.length, 2], offer, ascii(entry.text));
    head = sm3(label("YM1 shown log"), head, bytes);
    return hex(head);
  });
  return { heads };
}

function madeCertificate({ given }, file) {
  return { certificate: hex(makeCertificate(given, keyNamed(file, given.key))) };
}

function madeOffer({ given }, file) {
  const bytes = makeOffer(given, keyNamed(file, given.key));
  return { bytes: hex(bytes), text: encode("YMO1:", bytes) };
}

export const SECTIONS = {
  text,
  rice,
  rice_filled: riceFilled,
  trust_filled: (example, file) =>
    trustList({ ...example, list: filled(example.list, example) }, file),
  open_lists_filled: (example, file) => {
    const lists = [...example.lists.slice(0, -1), filled(example.lists.at(-1), example)];
    return openedLists({ ...example, lists }, file);
  },
  verify,
  issue: issued,
  context: ({ offer }) => ({ context: hex(contextOf(offer)) }),
  trust: trustList,
  make_list: madeList,
  make_delta: madeList,
  open_lists: openedLists,
  till_certificate: madeCertificate,
  make_offer: madeOffer,
  offer: (example, file) =>
    refusable(() => openOffer(example.text, trustOf(file, example), seconds(example.now))),
  nonce,
  holder_key: madeHolderKey,
  enrol: enrolled,
  show: shown,
  show_checks: shown,
  clock: (example) =>
    refusable(() => ({ clock_offset_s: clockOffset(...times(example)) })),
  seen,
  shown_log: shownLog,
};

// Two sections hold two sides that stand for each other, null where there is only a refusal.
const orRefused = (sides, error) => (Object.values(sides).includes(null) ? { error } : sides);

export const expected = {
  text: ({ bytes, text }) => orRefused({ bytes, text }, "CODE_MALFORMED"),
  rice: ({ numbers, section }) => orRefused({ numbers, section }, "LIST_MALFORMED"),
};
