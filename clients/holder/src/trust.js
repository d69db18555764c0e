// The trust list: whose signatures count, for what, and when (docs/health-code-format.md §7).
// A phone needs it for one thing: to know whose offers to show.

import { fromHex, joined } from "./bytes.js";
import { Fields } from "./fields.js";
import { holds, isPoint, messageDigest, prefixOf } from "./sm2.js";

export const USE_TILL = 6;
export const TOLERANCE_S = 30;
const GRACE_S = 7 * 86_400;
const SIZE_MIN = 79;
const SIZE_MAX = 1 << 20;
const USES = 0x37;
const FILE_FORM = "yimatong-trust/1";
const ROOTS_MAX = 4;

function readEntry(fields) {
  const key = {
    keyId: fields.whole(2),
    publicKey: fields.take(33),
    uses: fields.whole(1),
  };
  key.longestLife_s = fields.whole(4);
  key.classes = fields.take(fields.whole(1));
  [key.signsFrom_s, key.signsUntil_s, key.verifyUntil_s, key.cutOff_s] = [4, 4, 4, 4].map((n) => fields.whole(n));
  const rises = key.classes.every((value, i) => i === 0 || value > key.classes[i - 1]);
  if (key.uses === 0 || (key.uses & ~USES) !== 0 || !rises || !isPoint(key.publicKey)) {
    throw new RangeError("an entry of the trust list is not in form");
  }
  return key;
}

/** The list is not taken; `reason` says why, in the words of the specification. */
export class ListRefused extends RangeError {
  constructor(reason) {
    super(reason);
    this.name = "ListRefused";
    this.reason = reason;
  }
}

function readBody(body) {
  const fields = new Fields(body);
  fields.take(1);
  const list = { sequence: fields.whole(4), made_s: fields.whole(4), next_s: fields.whole(4), keys: new Map() };
  let last = -1;
  for (let left = fields.whole(2); left > 0; left -= 1) {
    const key = readEntry(fields);
    if (key.keyId <= last) throw new RangeError("the entries do not rise");
    last = key.keyId;
    list.keys.set(key.keyId, key);
  }
  if (!fields.isDone) throw new RangeError("bytes are left over");
  if (list.made_s >= list.next_s) throw new RangeError("the next date is not after the making");
  return list;
}

/** `{sequence, made_s, next_s, keys}` if one of the pinned roots signed it and it is not older than
 *  the newest seen; a ListRefused for anything else. */
export function openTrustList(bytes, roots, newestSequence = 0) {
  if (bytes.length < SIZE_MIN || bytes.length > SIZE_MAX) throw new ListRefused("LIST_MALFORMED");
  if (bytes[0] !== 1) throw new ListRefused("LIST_UNSUPPORTED");
  const [body, signature] = [bytes.slice(0, -64), bytes.slice(-64)];
  const message = joined(prefixOf("YM1 trust list"), body);
  const isSigned = roots.some((root) => holds(root, messageDigest(root, message), signature));
  if (!isSigned) throw new ListRefused("LIST_SIGNATURE");
  let list;
  try {
    list = readBody(body);
  } catch {
    throw new ListRefused("LIST_MALFORMED");
  }
  if (list.sequence < newestSequence) throw new ListRefused("LIST_ROLLED_BACK");
  return list;
}

/** The same from a trust file's content. Whom the file itself names as roots counts only where none
 *  were pinned before: nobody signs those names. */
export function readTrustFile(content, pinned = null, newestSequence = 0) {
  const { form, roots, trust_list: list } = content;
  if (form !== FILE_FORM || !Array.isArray(roots) || roots.length < 1 || roots.length > ROOTS_MAX) {
    throw new RangeError("not a trust file");
  }
  const given = roots.map((root) => fromHex(root, 33));
  if (!given.every(isPoint)) throw new RangeError("a root is no point");
  return openTrustList(fromHex(list), pinned ?? given, newestSequence);
}

/** Why nothing may be judged by the list at that second; null when it may. */
export function staleness(list, now_s) {
  if (now_s < list.made_s) return "CLOCK_UNSURE";
  return now_s >= list.next_s + GRACE_S ? "TRUST_LIST_EXPIRED" : null;
}

/** Whether what a key signed at one second still counts at another. */
export const standsFor = (key, issued_s, now_s) => key.signsFrom_s <= issued_s
  && issued_s < key.signsUntil_s && issued_s >= key.cutOff_s && now_s < key.verifyUntil_s;
