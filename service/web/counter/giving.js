// Something paid and posted is given back: lines of it, or all. Asked here, agreed to by a second
// person where the hospital wants one, followed until the money is on its way and the rest posted.

import { button, h } from "../element.js";
import { has, t } from "../language.js";
import { scaled, timeText, yuan } from "../amounts.js";
import { Fault } from "../exchange.js";
import { faultNotice } from "../faults.js";
import { poll } from "../settlement.js";
import { field, form, quantityOf } from "./parts.js";

const FEN_PER_UNIT = 100_000_000n;
const BY_HAND = ["cash", "pos"];
const ENDED = ["DONE", "REFUSED", "UNDONE"];
const AFTER = ["WITHDRAWN", "OPEN"];
const RESTING = ["REFUNDED", "FAILED", "NEEDS_REVIEW"];

/** What is left of a line's amount when `back_e4` of it goes back: rounded as every line is. */
export function restFen(line, back_e4) {
  const left_e4 = BigInt(line.quantity_e4 - back_e4);
  if (back_e4 === 0) return line.amount_fen;
  return Number((left_e4 * BigInt(line.unit_price_e6) + FEN_PER_UNIT / 2n) / FEN_PER_UNIT);
}

/** Which tender gives how much of `fen` back, the last used first. */
export function divideBack(tenders, fen) {
  let left = fen;
  return tenders.toReversed().map((one) => {
    const part = Math.min(left, one.amount_fen - one.refunded_fen - one.returning_fen);
    left -= part;
    return { provider: one.provider, amount_fen: part };
  }).filter((one) => one.amount_fen > 0);
}

/** Nothing will change any more without somebody who does something. */
const isQuiet = (correction) => ENDED.includes(correction.state) && correction.refunds.every(
  (one) => RESTING.includes(one.state) || (BY_HAND.includes(one.provider) && one.state === "CREATED"));

const wayOf = (provider) => (has(`way.${provider}`) ? t(`way.${provider}`) : provider);

/** How far a correction is, in one sentence. */
function progressWords({ state, settlement_state: at }) {
  if (state !== "RUNNING") return t(`giving.${state}`);
  return t(has(`giving.at.${at}`) ? `giving.at.${at}` : "giving.RUNNING");
}

class Giving {
  constructor(desk, scan, posted, { changed, next, asked = null }) {
    Object.assign(this, { desk, scan, posted, changed, next, asked });
    this.key = posted.settlement_id;
    this.calls = desk.terminal.giving(scan, posted);
    this.tenders = [];
    this.correction = null;
    this.shown = "";
    this.gone = false;
    this.notices = h("div.notices", { "aria-live": "assertive" });
    this.body = h("div.giving-body", {}, h("p.note", {}, t("check.wait")));
    this.element = h("div.giving", {},
      h("div.row.is-apart", {}, h("h2", {}, t("giving.title")), h("p.note", {}, posted.bill_no)),
      h("p.note", {}, t("giving.paid", {
        at: timeText(posted.settled_at), total: yuan(posted.total_fen), own: yuan(posted.cash_fen),
      })),
      this.body, this.notices);
  }

  async begin() {
    if (this.asked !== null) {
      this.follow(this.asked);
      return;
    }
    try {
      const [settlement, before] = await Promise.all([this.calls.read(), this.calls.listAsked()]);
      if (this.gone) return;
      this.settlement = settlement;
      this.tenders = settlement.tenders ?? [];
      const open = before.find((one) => ["AWAITING_APPROVAL", "RUNNING"].includes(one.state));
      if (open) this.follow(open);
      else this.drawChoice(before);
    } catch (fault) {
      this.failed(fault, () => this.begin());
    }
  }

  failed(fault, again = null) {
    if (!(fault instanceof Fault)) throw fault;
    if (!this.gone && !this.desk.left(fault)) this.notices.replaceChildren(faultNotice(fault, again));
  }

  // What goes back: quantities, a reason, and what becomes of a bill of which nothing is left.

  drawChoice(before) {
    this.rows = this.posted.lines.map((line) => this.rowOf(line));
    this.reason = field(t("giving.reason"), { maxlength: 200, placeholder: t("giving.reason.hint") });
    this.sum = h("strong.amount", {}, "¥0.00");
    this.after = h("fieldset.after.is-absent", {}, h("legend", {}, t("giving.after")), AFTER.map((value) =>
      h("label.row", {}, h("input", { type: "radio", name: "after", value, checked: value === AFTER[0] }),
        t(`giving.after.${value}`))));
    const head = ["name", "quantity", "amount"].map((key) => h("th", { scope: "col" }, t(`line.${key}`)));
    const table = h("table.lines.give-lines", {}, h("caption.unseen", {}, t("line.caption")),
      h("thead", {}, h("tr", {}, head, h("th", { scope: "col" }, t("giving.back")))),
      h("tbody", {}, this.rows.map((row) => row.element)));
    const all = button("button.button.is-quiet", t("giving.all"), async () => {
      for (const { line, input } of this.rows) input.value = scaled(line.quantity_e4, 4);
      this.count();
    });
    this.body.replaceChildren(...before.map((one) => this.pastView(one)),
      form("give", { act: () => this.check(), submit: t("giving.next") }, table,
        h("div.row.is-apart", {}, all, h("p.owed", {}, h("span", {}, t("giving.sum")), this.sum)),
        this.after, this.reason.element));
    this.count();
  }

  rowOf(line) {
    const input = h("input.input", {
      inputmode: "decimal", maxlength: 13, autocomplete: "off", placeholder: "0",
      "aria-label": t("giving.back.of", { name: line.name }),
    });
    input.addEventListener("input", () => this.count());
    const most = button("button.button.is-quiet", t("giving.whole"), async () => {
      input.value = scaled(line.quantity_e4, 4);
      this.count();
    });
    most.setAttribute("aria-label", t("giving.whole.of", { name: line.name }));
    return {
      line, input,
      element: h("tr", { "data-line": line.line_no }, h("th", { scope: "row" }, line.name),
        h("td", {}, scaled(line.quantity_e4, 4)), h("td.amount", {}, yuan(line.amount_fen)),
        h("td", {}, h("div.row.is-end", {}, input, most))),
    };
  }

  /** What is typed as `{given, amount_fen, isAll}`; null where a quantity is none or too much. */
  typed() {
    const wanted = this.rows.map(({ line, input }) => ({
      line, back_e4: input.value.trim() === "" ? 0 : quantityOf(input.value),
    }));
    if (wanted.some(({ line, back_e4 }) => back_e4 === null || back_e4 > line.quantity_e4)) return null;
    const left_fen = wanted.reduce((sum, { line, back_e4 }) => sum + restFen(line, back_e4), 0);
    return {
      given: wanted.filter(({ back_e4 }) => back_e4 > 0),
      amount_fen: this.posted.total_fen - left_fen,
      isAll: left_fen === 0,
    };
  }

  count() {
    const typed = this.typed();
    this.sum.textContent = typed === null ? "—" : `¥${yuan(typed.amount_fen)}`;
    this.after.classList.toggle("is-absent", typed?.isAll !== true);
    for (const { line, input } of this.rows) {
      const back_e4 = input.value.trim() === "" ? 0 : quantityOf(input.value);
      input.setAttribute("aria-invalid", String(back_e4 === null || back_e4 > line.quantity_e4));
    }
  }

  // Nothing is asked for before it was shown once more.

  async check() {
    const typed = this.typed();
    if (typed === null) return t("giving.bad");
    if (typed.amount_fen <= 0) return t("giving.nothing");
    if (this.reason.value === "") return t("giving.reason.short");
    const choice = [...this.body.children];
    const after = this.after.querySelector("input:checked").value;
    const act = async () => {
      const words = { bill_version: this.posted.bill_version, reason: this.reason.value };
      const asked = typed.isAll
        ? await this.calls.returnAll({ ...words, bill_after: after })
        : await this.calls.correct({
          ...words,
          lines: typed.given.map(({ line, back_e4 }) => ({ line_no: line.line_no, quantity_e4: back_e4 })),
        });
      this.follow(asked);
      return null;
    };
    this.body.replaceChildren(h("div.check", {},
      h("h3", {}, t("giving.check")),
      h("ul.stack", {}, typed.given.map(({ line, back_e4 }) => h("li.row.is-apart", {},
        h("span", {}, `${line.name} × ${scaled(back_e4, 4)}`),
        h("span.amount", {}, `¥${yuan(line.amount_fen - restFen(line, back_e4))}`)))),
      h("p.owed", {}, h("span", {}, t("giving.sum")), h("strong.amount", {}, `¥${yuan(typed.amount_fen)}`)),
      this.whereView(typed),
      typed.isAll ? h("p.note", {}, t(`giving.after.${after}`)) : null,
      form("sure", { act, submit: t("giving.confirm"), left: (fault) => this.desk.left(fault) }),
      button("button.button.is-plain", t("giving.change"), async () => this.body.replaceChildren(...choice))));
    return null;
  }

  /** Where money goes back to. How much, the insurance says first, unless nothing or all was its. */
  whereView({ amount_fen, isAll }) {
    const { fund_fen = 0, account_fen = 0, cover_fen = 0, hospital_fen = 0 } = this.settlement;
    const isOpen = !isAll && fund_fen + account_fen + cover_fen + hospital_fen > 0;
    const rows = divideBack(this.tenders, isAll || isOpen ? Infinity : amount_fen);
    return h("div.where", {}, h("h3", {}, t("giving.where")),
      rows.length === 0 ? h("p.note", {}, t("giving.where.none")) : h("ul.stack", {}, rows.map((one) =>
        h("li.row.is-apart", {},
          h("span", {}, t(BY_HAND.includes(one.provider) ? "giving.to.hand" : "giving.to", { way: wayOf(one.provider) })),
          h("span.amount", {}, isOpen ? t("giving.was", { amount: yuan(one.amount_fen) }) : `¥${yuan(one.amount_fen)}`)))),
      isOpen ? h("p.note", {}, t("giving.where.open")) : null,
      isAll && fund_fen + account_fen > 0 ? h("p.note", {}, t("giving.where.all")) : null);
  }

  // What was asked, until it rests.

  follow(correction) {
    this.drawn(correction);
    if (isQuiet(correction)) return;
    this.following?.stop();
    this.following = poll({
      read: () => this.calls.readAsked(correction.correction_id),
      seen: (now) => this.drawn(now),
      failed: (fault) => this.failed(fault),
      mark: (now) => JSON.stringify(now),
      isOver: isQuiet,
    });
  }

  /** Only what changed is drawn anew: somebody may be typing his PIN. */
  drawn(correction) {
    const now = JSON.stringify(correction);
    if (this.gone || now === this.shown) return;
    this.shown = now;
    this.element.dataset.state = correction.state;
    this.notices.replaceChildren();
    this.body.replaceChildren(this.pastView(correction), ...this.turnView(correction));
    this.changed();
  }

  pastView(correction) {
    const names = new Map(this.posted.lines.map((line) => [line.line_no, line.name]));
    const words = correction.lines.length === 0 ? t("giving.everything") : correction.lines.map((one) =>
      `${names.get(one.line_no) ?? t("giving.line", { no: one.line_no })} × ${scaled(one.quantity_e4, 4)}`).join(t("way.join"));
    return h("section.correction", { "data-state": correction.state },
      h("div.row.is-apart", {}, h("strong", {}, words), h("span.amount", {}, `¥${yuan(correction.amount_fen)}`)),
      h("p.note", {}, t("giving.asked", {
        at: timeText(correction.asked_at), staff: correction.asked_by, reason: correction.reason,
      }), correction.decided_by ? t(`giving.by.${correction.state === "REFUSED" ? "no" : "yes"}`, { staff: correction.decided_by }) : null),
      h("p.progress", { role: "status" }, progressWords(correction)),
      correction.refunds.length === 0 ? null : h("ul.stack.refunds", {}, correction.refunds.map((one) =>
        h("li.row.is-apart", {}, h("span", {}, wayOf(one.provider)),
          h("span", {}, h("span.amount", {}, `¥${yuan(one.amount_fen)}`), ` ${this.refundWords(one)}`)))));
  }

  refundWords({ provider, state }) {
    return t(BY_HAND.includes(provider) && state === "CREATED" ? "refund.hand" : `refund.${state}`);
  }

  turnView(correction) {
    if (correction.state === "AWAITING_APPROVAL") return this.approvalView(correction);
    return [button("button.button.is-main", t("done.next"), async () => this.next())];
  }

  /** The asker may only take it back; anybody else signed in decides; another one types his PIN. */
  approvalView(correction) {
    const decide = (agrees, who = null) => async () => {
      this.follow(await this.desk.terminal.decide(correction, agrees, who?.()));
      return null;
    };
    const left = (fault) => this.desk.left(fault);
    const isOwn = correction.asked_by.toLowerCase() === this.desk.staff.toLowerCase();
    const no = form("refusing", { act: decide(false), submit: t(isOwn ? "approve.back" : "approve.no"), left });
    if (!isOwn) return [form("approving", { act: decide(true), submit: t("approve.yes"), left }), no];
    const number = field(t("approve.number"), { maxlength: 20, autocapitalize: "characters" });
    const pin = field(t("sign.pin"), { type: "password", inputmode: "numeric", maxlength: 12 });
    const act = async () => {
      const who = { staff_no: number.value, pin: pin.value };
      pin.input.value = "";
      if (!/^[0-9A-Za-z]{1,20}$/.test(who.staff_no) || !/^\d{6,12}$/.test(who.pin)) return t("sign.short");
      if (who.staff_no.toLowerCase() === this.desk.staff.toLowerCase()) return t("approve.other");
      return decide(true, () => who)();
    };
    return [form("approving", { act, submit: t("approve.yes"), left }, h("h3", {}, t("approve.title")),
      number.element, pin.element), no];
  }

  leave() {
    this.gone = true;
    this.following?.stop();
  }
}

export const giveBackView = (desk, scan, posted, told) => new Giving(desk, scan, posted, told);
