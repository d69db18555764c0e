// The order of checks (§5) at one place that scans.

import { demand, instant } from "./bytes.mjs";
import { BOUND_TO_OFFER, NO_CONTEXT, PURPOSES } from "./codes.mjs";
import { holderMessage, issuerMessage, openIndex, readCode } from "./codes.mjs";
import { isPoint, verify } from "./sm2.mjs";
import { USE, checkClock, checkWindows, keyOf, mayClass, mayUse } from "./trust.mjs";

const TOLERANCE = 30;
const LIST_MARKED_AFTER = 600;
const LIST_USELESS_AFTER = 86_400;

function checkKey(code, { trust, now }) {
  const key = keyOf(trust, code.keyId);
  demand(key, "KEY_UNKNOWN");
  const shortEnough = key.longestLife === 0 || code.lifeSeconds <= key.longestLife;
  const fits = mayUse(key, USE[code.kind]) && mayClass(key, code.class) && shortEnough;
  demand(fits, "KEY_NOT_FOR_KIND");
  checkWindows(key, code.issued, now);
  return key;
}

function checkTime({ kind, issued, lifeSeconds, step }, now) {
  demand(issued <= now + TOLERANCE, "NOT_YET_VALID", { off_by_s: issued - now });
  const over = now - issued - lifeSeconds;
  demand(over < TOLERANCE, "EXPIRED", { off_by_s: over });
  if (kind !== "bound") return;
  const present = Math.floor(now / 30);
  demand(step >= present - 1, "STEP_OLD", { off_by_s: now - 30 * (step + 1) });
  demand(step <= present + 1, "STEP_AHEAD", { off_by_s: 30 * step - now });
}

function checkPurpose(code, { wanted, context, contextRequired }) {
  const purpose = PURPOSES[code.purposeByte & ~BOUND_TO_OFFER];
  const bound = (code.purposeByte & BOUND_TO_OFFER) !== 0;
  demand(purpose && (wanted === "identify" || wanted === purpose), "PURPOSE_MISMATCH");
  demand(bound ? context : !contextRequired, "PURPOSE_MISMATCH");
  return { purpose, context_bound: bound };
}

function checkSignatures(code, key, bound, openContext) {
  const context = bound ? openContext : NO_CONTEXT;
  const byHolder = code.kind === "bound";
  const issued = issuerMessage(code.kind, code.signed, context);
  const issuedWell = verify(key.publicKey, issued, code.signature);
  demand(issuedWell, bound && !byHolder ? "CONTEXT_MISMATCH" : "ISSUER_SIGNATURE");
  if (!byHolder) return;
  demand(isPoint(code.holderKey), "HOLDER_KEY");
  const shown = holderMessage(code.shown, context);
  const shownWell = verify(code.holderKey, shown, code.holderSignature);
  demand(shownWell, bound ? "CONTEXT_MISMATCH" : "HOLDER_SIGNATURE");
}

function checkRevoked(code, { lists, now }) {
  const usual = code.kind === "printed" ? "identified" : "present";
  if (code.kind === "one-time") return { level: usual, marks: [], not_revoked_as_of: null };
  const list = lists?.answering(code.kind, code.class);
  if (!list) return { level: "identified", marks: ["LIST_OLD"], not_revoked_as_of: null };
  demand(!list.holds(code.codeId), "REVOKED");
  const age = now - list.made;
  return {
    level: age > LIST_USELESS_AFTER ? "identified" : usual,
    marks: age > LIST_MARKED_AFTER ? ["LIST_OLD"] : [],
    not_revoked_as_of: instant(list.made),
  };
}

function checkSeen(code, seen) {
  if (code.kind === "printed") return;
  const rise = code.kind === "bound" ? code.step * 256 + code.seq : 0;
  demand(!(seen.get(code.codeId) >= rise), "ALREADY_SHOWN");
  seen.set(code.codeId, rise);
}

// The reader: now, trust, lists, wanted, context, contextRequired, seen, indexRoot.
export function accept(text, reader) {
  const { now, trust, lists, indexRoot } = reader;
  const code = readCode(text);
  const trustMarks = checkClock(trust, now, lists?.newest);
  const key = checkKey(code, reader);
  checkTime(code, now);
  const shown = checkPurpose(code, reader);
  checkSignatures(code, key, shown.context_bound, reader.context);
  const standing = checkRevoked(code, reader);
  checkSeen(code, reader.seen);
  return {
    valid: true,
    error: null,
    ...standing,
    // INDEX_UNREADABLE is the platform's own; the vectors say it by an index of null (§14).
    marks: [...trustMarks, ...standing.marks],
    kind: code.kind,
    key_id: code.keyId,
    class: code.class,
    ...shown,
    issued_at: instant(code.issued),
    expires_at: instant(code.issued + code.lifeSeconds),
    code_id: code.codeId,
    ...(code.kind === "bound" && { step: code.step, seq: code.seq }),
    ...(indexRoot && { index: openIndex(indexRoot, code) }),
  };
}
