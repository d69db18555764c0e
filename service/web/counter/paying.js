// One bill at the counter: the division, then cash, card slips and phone payments until nothing
// is owed; the receipt at the end. Several payments may add up.

import { button, h, pictureOf, setDisabled } from "../element.js";
import { t } from "../language.js";
import { providerName } from "../providers.js";
import { providersOf } from "../kiosk/choosing.js";
import { minutesText, yuan } from "../amounts.js";
import { Fault, serverNow } from "../exchange.js";
import { faultNotice, payingNotice } from "../faults.js";
import { Countdown } from "../countdown.js";
import { linesView, receiptView } from "../receipt.js";
import {
  billTitle, follow, heldText, isAwaiting, isDone, isElsewhere, isFree, isInReview, isPayable, isUndoing, isUndone, splitView, stateWords, stepsView,
} from "../settlement.js";
import { fenOf, field, form, moneyField } from "./parts.js";

// What counts with the division itself: nobody paid it here.
const COUNTED = ["deposit", "relief"];

class Paying {
  constructor(desk, scan, bill, { changed, next }) {
    Object.assign(this, { desk, scan, bill, changed, next });
    this.key = bill.bill_id;
    this.insured = true;
    // Linked here, or asked by the hospital itself when the bill is divided.
    this.useAccount = ["LINKED", "BY_HOSPITAL"].includes(scan.insurance?.status);
    this.settlement = null;
    this.shown = "";
    this.receipt = null;
    this.paper = null;
    this.print = null;
    this.elsewise = false;
    this.anew = false;
    this.gone = false;
    this.split = splitView();
    this.steps = stepsView();
    this.words = h("p.state", { role: "status" }, "\u00a0");
    this.notices = h("div.notices", { "aria-live": "assertive" });
    this.ways = [];
    this.tenders = h("ul.tenders", {});
    this.turn = h("div.turn", {});
    this.account = h("div.account", {});
    this.element = h("div.pay", {},
      h("div.row.is-apart", {}, h("h2", {}, billTitle(bill)), h("p.note", {}, bill.bill_no)),
      h("details.bill-lines", {}, h("summary", {}, t("line.caption")), linesView(bill.lines)),
      this.steps.element,
      h("div.pay-columns", {}, h("div.pay-split", {}, this.split.element, this.account, this.tenders), this.turn),
      this.words, this.notices);
    this.split.show({ total_fen: bill.total_fen });
  }

  async begin() {
    this.words.textContent = t("state.PRESETTLING");
    try {
      if (this.bill.state === "LOCKED" && this.insured) {
        await this.goOnWith(this.bill.settlement_id);
        return;
      }
      await this.start();
    } catch (fault) {
      const held = fault.code === "bill-locked" ? await this.lockedNow() : null;
      if (held === null) this.failed(fault, () => this.begin());
      else await this.goOnWith(held).catch((other) => this.failed(other, () => this.begin()));
    }
  }

  async start() {
    const choice = { use_account: this.useAccount && this.insured, insured: this.insured };
    const begun = await this.desk.terminal.startOwn(this.scan, this.bill, choice);
    this.calls = this.desk.terminal.settlement(this.scan, begun.settlement_id);
    this.ways = await this.calls.listWays();
    this.seen(begun);
    this.watch();
  }

  /** With the settlement that holds the bill, wherever it was begun. */
  async goOnWith(settlementId) {
    this.calls = this.desk.terminal.settlement(this.scan, settlementId);
    this.ways = await this.calls.listWays();
    const settlement = await this.calls.read();
    if (Number.isSafeInteger(settlement.account_fen)) this.useAccount = settlement.account_fen > 0;
    this.seen(settlement);
    this.watch();
  }

  /** The other answer to whether the patient's account pays: this division is undone, then it is
   *  asked for anew. Who paid meanwhile has paid, and nothing is asked for. */
  async changeAccount() {
    this.notices.replaceChildren();
    this.turn.replaceChildren();
    this.account.replaceChildren();
    this.shown = "";
    this.anew = true;
    try {
      this.seen(await this.calls.abandon());
      this.watch();
    } catch (fault) {
      this.anew = false;
      this.failed(fault);
    }
  }

  /** Undone, to be divided the other way. */
  async divideAnew() {
    this.anew = false;
    this.following?.stop();
    this.useAccount = !this.useAccount;
    this.words.textContent = t("state.PRESETTLING");
    try {
      await this.start();
    } catch (fault) {
      this.failed(fault, () => this.begin());
    }
  }

  /** The settlement that holds the bill since it was listed; null where that is not known. */
  async lockedNow() {
    const bills = await this.desk.terminal.listBills(this.scan).catch(() => []);
    return bills.find((one) => one.bill_id === this.bill.bill_id)?.settlement_id ?? null;
  }

  failed(fault, again = null) {
    if (!(fault instanceof Fault)) throw fault;
    if (!this.gone && !this.desk.left(fault)) this.notices.replaceChildren(payingNotice(fault, again));
  }

  watch() {
    this.following?.stop();
    this.following = follow({
      read: () => this.calls.read(),
      seen: (settlement) => this.seen(settlement),
      failed: (fault) => this.failed(fault),
    });
  }

  /** Draws what changed; fields that a cashier is typing in stay while the amounts do. */
  seen(settlement) {
    if (this.gone) return;
    if (this.anew && isUndone(settlement)) {
      this.divideAnew();
      return;
    }
    this.settlement = settlement;
    this.element.dataset.state = settlement.state;
    this.split.show(settlement);
    this.steps.show(settlement);
    this.words.textContent = isElsewhere(settlement) ? "\u00a0" : stateWords(settlement);
    this.drawTenders();
    const { payment } = settlement;
    const phase = JSON.stringify([this.phase(), settlement.owed_fen, payment?.qr_svg ?? "", payment?.state ?? ""]);
    if (phase !== this.shown) {
      this.shown = phase;
      this.notices.replaceChildren();
      this.turn.replaceChildren(...this.turnView());
      this.account.replaceChildren(...this.accountView());
      if (isDone(settlement) || isUndone(settlement)) this.changed();
    }
    if (isUndoing(settlement)) this.changed();
    if (settlement.receipt === true && this.receipt === null) this.findReceipt();
  }

  phase() {
    const { settlement } = this;
    if (isElsewhere(settlement)) return "elsewhere";
    if (isDone(settlement)) return "done";
    if (isUndone(settlement)) return "undone";
    if (isInReview(settlement)) return "review";
    if (!isPayable(settlement)) return "working";
    if (isFree(settlement)) return "free";
    const stands = isAwaiting(settlement) && settlement.payment.qr_svg;
    return stands && !this.elsewise ? "phone" : "choose";
  }

  drawTenders() {
    this.tenders.replaceChildren(...(this.settlement.tenders ?? []).map((one) => {
      const back = one.refunded_fen + one.returning_fen;
      return h("li.row.is-apart", {}, h("span", {}, providerName(one.provider)),
        h("span.amount", {}, `¥${yuan(one.amount_fen)}${back > 0 ? t("tender.back", { amount: yuan(back) }) : ""}`));
    }));
  }

  turnView() {
    switch (this.phase()) {
      case "choose": return this.chooseView();
      case "phone": return this.phoneView();
      case "free": return [button("button.button.is-main", t("pay.confirm"), () => this.act(() => this.calls.confirm()))];
      case "elsewhere": return this.elsewhereView();
      case "done": return this.doneView();
      case "undone": return this.undoneView();
      default: return [];
    }
  }

  async act(call) {
    try {
      const settlement = await call();
      this.seen(settlement);
      this.watch();
      return null;
    } catch (fault) {
      this.failed(fault);
      return null;
    }
  }

  chooseView() {
    const owed = this.settlement.owed_fen ?? 0;
    const { tenders } = this.desk;
    const amount = moneyField(t("pay.part"), { placeholder: yuan(owed) });
    this.part = () => (amount.value === "" ? null : fenOf(amount.value));
    const bad = () => amount.value !== "" && this.part() === null;
    const phones = providersOf(this.ways, "native").map((provider) => button("button.button", t("pay.scan", { name: providerName(provider) }),
      () => (bad() ? this.say(t("amount.bad")) : this.order(provider))));
    return [
      h("p.owed", {}, h("span", {}, t("pay.owed")), h("strong.amount", {}, `¥${yuan(owed)}`)),
      amount.element,
      tenders.includes("cash") ? this.cashForm(owed, bad) : null,
      tenders.includes("pos") ? this.slipForm(bad) : null,
      h("div.phones", {}, phones),
      button("button.button.is-plain", t("pay.abandon"), () => this.act(() => this.calls.abandon())),
    ].filter(Boolean);
  }

  /** Whose account pays is the patient's choice, as long as nothing is paid. */
  accountView() {
    const { settlement } = this;
    const linked = ["LINKED", "BY_HOSPITAL"].includes(this.scan.insurance?.status);
    const offered = ["choose", "free"].includes(this.phase()) && settlement.state === "PRESETTLED" &&
      this.insured && linked &&
      !(settlement.tenders ?? []).some((one) => !COUNTED.includes(one.provider)) &&
      (!this.useAccount || settlement.account_fen > 0);
    const words = this.useAccount ? "pay.account.off" : "pay.account.on";
    return offered ? [button("button.button", t(words), () => this.changeAccount())] : [];
  }

  /** Somebody pays it at another place: here it can be taken over, unless money may still come. */
  elsewhereView() {
    const words = h("p.held", { role: "status" }, t("held.words", heldText(this.settlement)));
    const take = button("button.button.is-main", t("held.take"), async () => {
      try {
        this.shown = "";
        this.seen(await this.calls.takeOver(this.settlement));
        this.watch();
      } catch (fault) {
        if (fault.code !== "payment-still-open") this.failed(fault);
        else this.waitForClosing(words, take, fault.wait_s || 5);
      }
    });
    return [words, take];
  }

  waitForClosing(words, take, wait_s) {
    setDisabled(take, true);
    const seen = heldText(this.settlement);
    this.waits?.stop();
    this.waits = new Countdown(wait_s, {
      tick: (seconds) => { words.textContent = t("held.wait", { ...seen, seconds }); },
      done: () => {
        words.textContent = t("held.words", seen);
        setDisabled(take, false);
      },
    });
  }

  order(provider) {
    this.elsewise = false;
    this.shown = "";
    return this.act(() => this.calls.order(provider, this.part()));
  }

  say(words) {
    this.notices.replaceChildren(h("p.notice.is-fault", { role: "alert" }, words));
  }

  cashForm(owed, bad) {
    const given = moneyField(t("cash.given"));
    const change = h("p.change", { role: "status" }, "\u00a0");
    const wanted = (fen) => this.part() ?? Math.min(owed, fen);
    given.input.addEventListener("input", () => {
      const fen = fenOf(given.value);
      change.textContent = fen === null || fen < wanted(fen) ? "\u00a0" : t("cash.change", { amount: yuan(fen - wanted(fen)) });
    });
    const act = async () => {
      const fen = fenOf(given.value);
      if (bad() || fen === null || fen === 0) return t("amount.bad");
      await this.take({ tender: "cash", tendered_fen: fen });
      return null;
    };
    return form("cash", { act, submit: t("cash.submit"), left: (fault) => this.desk.left(fault) },
      h("h3", {}, t("way.cash")), given.element, change);
  }

  slipForm(bad) {
    const no = field(t("slip.no"), { maxlength: 40 });
    const ref = field(t("slip.ref"), { maxlength: 40 });
    const act = async () => {
      if (bad()) return t("amount.bad");
      if (no.value === "" || ref.value === "") return t("slip.short");
      await this.take({ tender: "pos", slip_no: no.value, slip_ref: ref.value });
      return null;
    };
    return form("slip", { act, submit: t("slip.submit"), left: (fault) => this.desk.left(fault) },
      h("h3", {}, t("way.pos")), no.element, ref.element);
  }

  async take(body) {
    const part = this.part();
    const taken = await this.calls.take(part === null ? body : { ...body, amount_fen: part });
    this.seen(taken.settlement);
    this.watch();
    const key = taken.tender === "cash" ? "taken.cash" : "taken.pos";
    this.notices.replaceChildren(h("p.notice.is-taken", { role: "status" },
      t(key, { amount: yuan(taken.amount_fen), change: yuan(taken.change_fen) })));
  }

  phoneView() {
    const { payment } = this.settlement;
    const picture = pictureOf(payment.qr_svg, t("phone.picture"));
    const cashier = payment.cashier_url;
    const left_s = Math.max(0, Math.floor((Date.parse(payment.expires_at) - serverNow()) / 1_000)) || 0;
    return [
      h("p.owed", {}, h("span", {}, t("phone.scan")), h("strong.amount", {}, `¥${yuan(payment.amount_fen)}`)),
      h("div.symbol", {}, cashier ? h("a", { href: cashier, target: "_blank", rel: "noopener" }, picture) : picture),
      h("p.note", {}, t("phone.until", { left: minutesText(left_s) })),
      button("button.button", t("phone.other"), async () => {
        this.elsewise = true;
        this.seen(this.settlement);
      }),
      button("button.button.is-plain", t("pay.abandon"), () => this.act(() => this.calls.abandon())),
    ];
  }

  doneView() {
    this.print = button("button.button", t("done.print"), async () => window.print());
    setDisabled(this.print, this.paper === null);
    return [
      h("p.sign", { "aria-hidden": "true" }, "✓"),
      this.print,
      button("button.button.is-main", t("done.next"), async () => this.next()),
    ];
  }

  undoneView() {
    const own = button("button.button", t("undone.own"), () => {
      this.insured = false;
      this.shown = "";
      return this.begin();
    });
    return [
      this.insured && this.settlement.reason !== "abandoned" ? own : null,
      button("button.button.is-main", t("done.next"), async () => this.next()),
    ].filter(Boolean);
  }

  async findReceipt() {
    this.receipt = "asked";
    try {
      this.receipt = await this.calls.readReceipt();
      if (this.gone) return;
      // Paper takes what stands directly in the screen.
      this.paper = h("div.prints", {}, receiptView(this.receipt));
      this.element.closest(".serve")?.append(this.paper);
      document.body.classList.add("has-receipt");
      if (this.print) setDisabled(this.print, false);
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      this.receipt = null;
      if (!this.gone) this.notices.replaceChildren(faultNotice(fault));
    }
  }

  leave() {
    this.gone = true;
    this.following?.stop();
    this.waits?.stop();
    this.paper?.remove();
    document.body.classList.remove("has-receipt");
  }
}

export const payView = (desk, scan, bill, told) => new Paying(desk, scan, bill, told);
