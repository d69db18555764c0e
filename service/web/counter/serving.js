// One person at the counter: found by a scan or a typed number, with bills and what waits for him.

import { h } from "../element.js";
import { has, t } from "../language.js";
import { timeText, yuan } from "../amounts.js";
import { Fault, pause } from "../exchange.js";
import { faultNotice } from "../faults.js";
import { repaired } from "../kiosk/scanner.js";
import { billTitle } from "../settlement.js";
import { awaitingView, choice } from "./awaiting.js";
import { giveBackView } from "./giving.js";
import { field, form, waitingView } from "./parts.js";
import { payView } from "./paying.js";

const ASKS = 7;
const ASK_EVERY_MS = 2_000;
const SAY_MS = 8_000;

function personView(scan) {
  const linked = scan.insurance?.status === "LINKED";
  const status = `insurance.${scan.insurance?.status ?? "UNKNOWN"}`;
  const type = `insurance.${scan.insurance?.insurance_type}`;
  const words = t(linked && has(type) ? type : has(status) ? status : "insurance.UNKNOWN");
  const more = [
    has(`sex.${scan.sex}`) ? t(`sex.${scan.sex}`) : null,
    Number.isInteger(scan.age) ? t("person.age", { age: scan.age }) : null,
  ].filter(Boolean).join(" · ");
  return h("div.person", {},
    h("p.person-name", {}, scan.name ?? scan.masked_name ?? ""),
    h("p.note", {}, more),
    h(`p.badge${linked ? ".is-good" : ""}`, {},
      h("span.badge-sign", { "aria-hidden": "true" }, linked ? "✓" : "–"), words));
}

class Serving {
  constructor(desk) {
    this.name = "serve";
    this.desk = desk;
    this.scan = null;
    this.pane = null;
    this.found = 0;
    this.waits = "";
    this.holds = false;
    this.gone = false;
    this.text = field(t("find.text"), { maxlength: 512, type: "search", placeholder: t("find.hint") });
    const find = form("find", { act: () => this.find(), submit: t("find.submit"), left: (fault) => this.left(fault) },
      this.text.element);
    this.who = h("div.who-box", {});
    this.bills = h("div.bills", {});
    this.waiting = h("div.waiting", {});
    this.posted = h("div.posted", {});
    this.desktop = h("section.pay-pane", { "aria-live": "polite" }, this.nothing());
    this.element = h("section.serve", {},
      h("div.serve-left", {}, h("h1.unseen", {}, t("page.title")), find, this.who, this.bills, this.waiting, this.posted),
      this.desktop);
  }

  nothing() {
    return h("p.empty", {}, t("serve.nobody"));
  }

  /** Before anybody is scanned: what waits for a second person, and for those who are to fetch it. */
  async drawOverview() {
    try {
      const { terminal } = this.desk;
      const [awaiting, refunds] = await Promise.all([terminal.listAwaiting(), terminal.listAllWaiting()]);
      if (this.gone || this.scan !== null || this.pane !== null) return;
      this.desktop.replaceChildren(...[
        this.nothing(),
        awaitingView(awaiting, (one) => this.decide(one)),
        waitingView(refunds, t("waiting.all")),
      ].filter(Boolean));
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      if (!this.left(fault)) this.desktop.append(faultNotice(fault, () => this.drawOverview()));
    }
  }

  decide({ correction, posted }) {
    return this.open(giveBackView(this.desk, null, posted, {
      asked: correction, changed: () => {}, next: () => this.desk.home(),
    }));
  }

  left(fault) {
    return this.desk.left(fault);
  }

  entered() {
    this.text.input.focus();
    this.drawOverview();
  }

  leave() {
    this.gone = true;
    this.pane?.leave();
  }

  async find() {
    const text = repaired(this.text.value);
    if (text.length < 4) return t("find.short");
    this.pane?.leave();
    this.pane = null;
    this.found = 0;
    this.waits = "";
    this.holds = false;
    this.text.input.value = "";
    this.who.replaceChildren();
    this.bills.replaceChildren();
    this.waiting.replaceChildren();
    this.posted.replaceChildren();
    this.desktop.replaceChildren(this.nothing());
    this.scan = await this.desk.terminal.identify(text);
    this.who.replaceChildren(personView(this.scan));
    this.desktop.replaceChildren(h("p.empty", {}, t("serve.choose")));
    await Promise.all([this.refresh(), this.refreshPosted()]);
    this.lookAgain(this.scan);
    return null;
  }

  // A hospital pushes the bill when it hears of the scan, so the first answers may be empty.
  async lookAgain(scan) {
    for (let asked = 1; asked < ASKS; asked += 1) {
      await pause(ASK_EVERY_MS);
      if (scan !== this.scan || this.gone || this.found > 0) return;
      await this.refresh();
    }
  }

  /** Bills and what waits, as they stand. */
  async refresh() {
    const { scan } = this;
    if (scan === null) return;
    try {
      const [bills, waiting] = await Promise.all([
        this.desk.terminal.listBills(scan), this.desk.terminal.listWaiting(scan),
      ]);
      if (scan !== this.scan) return;
      this.found = bills.length;
      this.drawBills(bills);
      this.drawWaiting(waiting.refunds);
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      if (!this.left(fault)) this.bills.replaceChildren(faultNotice(fault, () => this.refresh()));
    }
  }

  /** What may be given back: it changes by what is done here. */
  async refreshPosted() {
    const { scan } = this;
    try {
      const posted = await this.desk.terminal.listPosted(scan);
      if (scan === this.scan) this.drawPosted(posted);
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      if (!this.left(fault)) this.posted.replaceChildren(faultNotice(fault, () => this.refreshPosted()));
    }
  }

  drawPosted(posted) {
    const list = posted.map((one) => this.choiceOf(one.settlement_id, {
      title: t("posted.one", { count: one.lines.length }), note: `${one.bill_no} · ${timeText(one.settled_at)}`,
      fen: one.total_fen, act: () => this.giveBack(one),
    }));
    this.posted.replaceChildren(...(list.length === 0 ? [] : [
      h("h2", {}, t("posted.title")), h("ul.stack", {}, list),
    ]));
  }

  choiceOf(key, parts) {
    const choose = choice(parts);
    choose.setAttribute("aria-pressed", String(this.pane?.key === key));
    choose.dataset.key = key;
    return h("li", {}, choose);
  }

  drawBills(bills) {
    const list = bills.map((bill) => this.choiceOf(bill.bill_id, {
      title: billTitle(bill), note: `${bill.bill_no} · ${timeText(bill.charged_at)}`,
      badge: bill.state === "LOCKED" ? t("held.badge") : null,
      fen: bill.total_fen, act: () => this.choose(bill),
    }));
    this.bills.replaceChildren(h("h2", {}, t("bills.title")),
      list.length === 0 ? h("p.note", {}, t("bills.none")) : h("ul.stack", {}, list));
  }

  /** Only anew when it changed: a cashier may be typing a slip. */
  drawWaiting(refunds) {
    const now = JSON.stringify([this.scan.scan_id, refunds]);
    if (now === this.waits || this.holds) return;
    this.waits = now;
    this.waiting.replaceChildren(...(refunds.length === 0 ? [] : [
      h("h2", {}, t("waiting.title")),
      h("ul.stack", {}, refunds.map((one) => h("li", {}, this.refundView(one)))),
    ]));
  }

  refundView(refund) {
    const isCard = refund.tender === "pos";
    const no = field(t("slip.no"), { maxlength: 40 });
    const ref = field(t("slip.ref"), { maxlength: 40 });
    const act = async () => {
      if (isCard && (no.value === "" || ref.value === "")) return t("slip.short");
      await this.desk.terminal.give(this.scan, refund, isCard ? { slip_no: no.value, slip_ref: ref.value } : {});
      this.waiting.replaceChildren(h("p.notice", { role: "status" },
        t(`given.${refund.tender}`, { amount: yuan(refund.amount_fen) })));
      this.waits = "";
      this.holds = true;
      setTimeout(() => {
        this.holds = false;
        this.refresh();
      }, SAY_MS);
      return null;
    };
    const submit = t(`give.${refund.tender}`, { amount: yuan(refund.amount_fen) });
    return form("refund", { act, submit, left: (fault) => this.left(fault) },
      h("p", {}, t("waiting.of", { bill: refund.bill_no, at: timeText(refund.asked_at) }),
        refund.overdue ? h("span.badge.is-late", {}, t("waiting.late")) : null),
      ...(isCard ? [no.element, ref.element] : []));
  }

  choose(bill) {
    return this.open(payView(this.desk, this.scan, bill, {
      changed: () => this.refresh(),
      next: () => this.desk.home(),
    }));
  }

  giveBack(posted) {
    return this.open(giveBackView(this.desk, this.scan, posted, {
      changed: () => Promise.all([this.refresh(), this.refreshPosted()]),
      next: () => this.desk.home(),
    }));
  }

  open(pane) {
    this.pane?.leave();
    this.pane = pane;
    for (const choice of this.element.querySelectorAll(".choice")) {
      choice.setAttribute("aria-pressed", String(choice.dataset.key === pane.key));
    }
    this.desktop.replaceChildren(pane.element);
    return pane.begin();
  }
}

export const serveScreen = (desk) => new Serving(desk);
