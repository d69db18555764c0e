// A settlement as people see it: four steps, the split, and when to stop asking.
// States: docs of the settlement machine. A state not known here counts as "still working".

import { h } from "./element.js";
import { has, t } from "./language.js";
import { pause } from "./exchange.js";
import { clockText, yuan } from "./amounts.js";

const STEP_OF = {
  PRESETTLING: 0, PRESETTLED: 1, AWAITING_PAYER: 1, COLLECTING: 1,
  PAID: 2, SETTLING: 2, SETTLED: 4, POSTING: 4, POSTED: 4,
};
const FINAL = new Set(["POSTED", "REVERSED", "NEEDS_REVIEW"]);
const DONE = new Set(["SETTLED", "POSTING", "POSTED"]);
/** The receipt comes a moment after the last state; so many more questions wait for it. */
const RECEIPT_ASKS = 15;
const WAITS_MS = [1_000, 1_000, 1_000, 1_500, 2_000, 3_000, 5_000];

export const isFinal = (settlement) => FINAL.has(settlement.state);
/** Paid and settled: the person may go, whatever the hospital's book-keeping still does. */
export const isDone = (settlement) => DONE.has(settlement.state);
export const isUndone = (settlement) => settlement.state === "REVERSED";
export const isUndoing = (settlement) => settlement.state === "REVERSING";
export const isInReview = (settlement) => settlement.state === "NEEDS_REVIEW";
/** The split is known and the person may pay or confirm. */
export const isPayable = (settlement) =>
  ["PRESETTLED", "AWAITING_PAYER", "COLLECTING"].includes(settlement.state);
export const isFree = (settlement) => settlement.state === "PRESETTLED" &&
  (settlement.cash_fen === 0 || settlement.owed_fen === 0);
/** What a bill is for, where it is not a visit's charges. */
export const kindText = (bill) => has(`kind.${bill.kind}`) ? t(`kind.${bill.kind}`) : "";
/** The same with the place that charges it. */
export const billTitle = (bill) =>
  [kindText(bill), bill.department || bill.institution_name].filter(Boolean).join(" · ");
/** Money may be on its way: leaving is safe, forgetting is not. */
export const isMoneyMoving = (settlement) =>
  ["PAID", "SETTLING"].includes(settlement.state) ||
  (settlement.payment?.state === "PAID" && !(settlement.owed_fen > 0) &&
    ["PRESETTLED", "AWAITING_PAYER"].includes(settlement.state));
/** An order is open that the payer can pay. */
export const isAwaiting = (settlement) =>
  ["CREATED", "AWAITING_PAYER"].includes(settlement.payment?.state);
/** Another place took it over: nothing can be done here. */
export const isTakenOver = ({ held }) => held?.alone === true && !held.here;
/** It is dealt with at another place and may go on here instead. */
export const isElsewhere = (settlement) => settlement.held?.here === false &&
  (settlement.state === "PRESETTLING" || isPayable(settlement)) && !isMoneyMoving(settlement);
/** Where it is dealt with, and since when. */
export const heldText = ({ held }) => ({ place: t(`held.${held.channel}`), at: clockText(held.since) });
/** What is to be paid now: by the order that stands, else what is still owed. */
export const dueFen = (settlement) =>
  isPayable(settlement) && isAwaiting(settlement) ? settlement.payment.amount_fen
    : settlement.owed_fen
      ?? (settlement.state !== "COLLECTING" ? settlement.cash_fen : Math.max(0, settlement.cash_fen - settlement.paid_fen));

/** One sentence on where it stands. */
export function stateWords(settlement) {
  if (isFree(settlement)) return t(settlement.cash_fen === 0 ? "state.FREE" : "state.COVERED");
  const words = has(`state.${settlement.state}`) ? t(`state.${settlement.state}`) : t("state.SETTLING");
  const given = isUndone(settlement) || isUndoing(settlement);
  const known = given && has(`why.${settlement.reason}`) ? t(`why.${settlement.reason}`) : "";
  const why = settlement.reason_text ?? known;
  return why === "" ? words : `${why}${t("why.join")}${words}`;
}

/** The four steps, updated in place so that nothing moves. */
export function stepsView() {
  const keys = ["compute", "pay", "settle", "finish"];
  const items = keys.map((key) =>
    h("li.step", {}, h("span.step-dot", { "aria-hidden": "true" }), h("span", {}, t(`step.${key}`))));
  const element = h("ol.steps", { "aria-label": t("step.label") }, items);
  const show = (settlement) => {
    const at = STEP_OF[settlement.state] ?? -1;
    items.forEach((item, i) => {
      item.classList.toggle("is-done", i < at || (i === 3 && at === 4));
      item.classList.toggle("is-now", i === at);
      if (i === at) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    });
  };
  return { element, show };
}

/** Who pays what. All rows stand from the start but a commercial insurer's, which comes where the
 *  bill names one; a dash is a part not known yet. */
export function splitView() {
  const row = (key, name) => {
    const amount = h("dd.amount", { "data-part": key }, "—");
    return { amount, nodes: h(name, {}, h("dt", {}, t(`split.${key}`)), amount) };
  };
  const total = row("total_fen", "div.split-row");
  const fund = row("fund_fen", "div.split-row");
  const account = row("account_fen", "div.split-row");
  const cover = row("cover_fen", "div.split-row");
  const cash = row("cash_fen", "div.split-row.is-own");
  cover.nodes.hidden = true;
  const more = h("p.split-more", {}, "\u00a0");
  const element = h("div.split", {},
    h("dl", {}, total.nodes, fund.nodes, account.nodes, cover.nodes, cash.nodes), more);
  const show = (settlement) => {
    total.amount.textContent = `¥${yuan(settlement.total_fen)}`;
    for (const [part, key, sign] of [[fund, "fund_fen", "−"], [account, "account_fen", "−"],
      [cover, "cover_fen", "−"], [cash, "cash_fen", ""]]) {
      const fen = settlement[key];
      const known = Number.isSafeInteger(fen);
      part.amount.textContent = known ? `${fen > 0 ? sign : ""}¥${yuan(fen)}` : "—";
    }
    cover.nodes.hidden = !Number.isSafeInteger(settlement.cover_fen);
    if (settlement.cover_declined) {
      more.textContent = t("split.declined");
    } else if (settlement.hospital_fen > 0) {
      more.textContent = t("split.hospital", { amount: yuan(settlement.hospital_fen) });
    }
  };
  return { element, show };
}

/** Asks each second, slower while its `mark(value)` stays the same, until `isOver(value, quiet)`
 *  or `stop()`. `read()` gives the value; `seen(value)`; `failed(fault)`. */
export function poll({ read, seen, failed, mark, isOver }) {
  let stopped = false;
  const loop = async () => {
    let quiet = 0;
    let marked = null;
    while (!stopped) {
      await pause(WAITS_MS[Math.min(quiet, WAITS_MS.length - 1)]);
      if (stopped) return;
      if (document.hidden) continue;
      try {
        const value = await read();
        if (stopped) return;
        quiet = mark(value) === marked ? quiet + 1 : 0;
        marked = mark(value);
        seen(value);
        if (isOver(value, quiet)) return;
      } catch (fault) {
        if (stopped) return;
        quiet += 1;
        failed(fault);
        if (!fault.retryable) return;
      }
    }
  };
  loop();
  return { stop: () => { stopped = true; } };
}

/** The same for a settlement, until it is final with its receipt. */
export const follow = (told) => poll({
  ...told,
  mark: (settlement) => settlement.state,
  isOver: (settlement, quiet) => {
    const awaited = settlement.state === "POSTED" && settlement.receipt !== true;
    return isFinal(settlement) && (!awaited || quiet > RECEIPT_ASKS);
  },
});
