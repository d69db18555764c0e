// Screen 3: by whom to pay, the payment code, then on the same screen the result with the receipt.

import { h, button, pictureOf, setDisabled } from "../element.js";
import { has, t } from "../language.js";
import { providerName } from "../providers.js";
import { minutesText, yuan } from "../amounts.js";
import { Fault, serverNow } from "../exchange.js";
import { payingNotice } from "../faults.js";
import { Countdown } from "../countdown.js";
import { receiptView } from "../receipt.js";
import {
  dueFen, follow, heldText, isAwaiting, isDone, isFinal, isInReview, isMoneyMoving, isPayable, isTakenOver, isUndoing,
  isUndone, stateWords, stepsView,
} from "../settlement.js";
import { choiceView, codeOwner, isTaking, providersOf } from "./choosing.js";

const STILL_S = 120;
const ANSWER_S = 30;
const RESULT_S = 40;
const UNDO_S = 25;
/** A payment by the payer's own code is undone later: providers want some seconds in between. */
const UNDO_CODE_S = 75;
const CHOOSE_S = 60;
const SIGNS = { done: "✓", undone: "–", elsewhere: "→" };

class Paying {
  constructor(kiosk, visit) {
    this.kiosk = kiosk;
    this.station = "pay";
    this.visit = visit;
    this.gone = false;
    this.phase = null;
    this.receipt = null;
    this.leaving = false;
    this.countdown = null;
    this.undoing = null;
    this.choosing = false;
    this.taking = false;
    this.lost = false;
    this.element = h("section.pay", { "aria-labelledby": "title" });
    this.draw();
  }

  draw() {
    this.title = h("h1", { id: "title" }, "\u00a0");
    this.box = h("div.pay-box", {});
    this.steps = stepsView();
    this.label = h("p.pay-label", {}, t("pay.amount"));
    this.amount = h("p.pay-amount.amount", {});
    this.left = h("p.pay-left", {}, "\u00a0");
    this.words = h("p.state", { role: "status" }, "\u00a0");
    this.notices = h("div.notices", { "aria-live": "assertive" });
    this.main = button("button.button.is-main", "\u00a0", () => this.goOn());
    this.element.replaceChildren(
      this.box,
      h("div.pay-side", {}, h("div", { role: "status" }, this.title), h("div.pay-sum", {}, this.label, this.amount),
        h("div.pay-turn", {}, this.left, this.main), this.steps.element,
        h("div.say", {}, this.words, this.notices)));
  }

  entered() {
    this.seen(this.visit.settlement);
    this.watch();
  }

  watch() {
    this.following?.stop();
    this.following = follow({
      read: () => this.visit.calls.read(),
      seen: (settlement) => this.seen(settlement),
      failed: (fault) => {
        if (this.gone || this.phase === "done") return;
        this.lost = true;
        this.notices.replaceChildren(payingNotice(fault));
      },
    });
  }

  phaseOf(settlement) {
    if (isTakenOver(settlement)) return "elsewhere";
    if (isDone(settlement)) return "done";
    if (isUndone(settlement)) return "undone";
    if (isInReview(settlement)) return "review";
    if (isMoneyMoving(settlement)) return "working";
    if (isUndoing(settlement) || this.leaving) return "undoing";
    if (!isPayable(settlement)) return "working";
    if (this.taking || isTaking(settlement)) return "taking";
    if (isAwaiting(settlement) && !this.choosing) return "asking";
    const alone = providersOf(this.visit.ways, "native").length === 1;
    return alone && settlement.payment?.way !== "code" ? "stale" : "choosing";
  }

  seen(settlement) {
    if (this.gone) return;
    this.visit.settlement = settlement;
    this.element.dataset.state = settlement.state;
    if (this.lost) this.notices.replaceChildren();
    this.lost = false;
    this.steps.show(settlement);
    const phase = this.phaseOf(settlement);
    if (phase !== this.phase) this.enter(phase);
    if (phase === "done") this.findReceipt();
    if (phase === "asking") this.showSymbol();
    if (phase === "taking") this.sayTaking();
  }

  enter(phase) {
    this.phase = phase;
    this.element.dataset.phase = phase;
    this.hideQuestion?.();
    this.countdown?.stop();
    this.notices.replaceChildren();
    this.left.textContent = "\u00a0";
    this.kiosk.idle.stop();
    this.kiosk.setSide("", null);
    const { settlement } = this.visit;
    this.words.textContent = stateWords(settlement);
    this.amount.textContent = `¥${yuan(dueFen(settlement))}`;
    setDisabled(this.main, true);
    this.main.classList.add("is-absent");
    if (phase === "asking") this.showCode();
    else if (phase === "choosing") this.showChoice();
    else if (phase === "taking") this.showTaking();
    else if (phase === "stale") this.showStale();
    else if (phase === "working") this.showWorking();
    else if (phase === "undoing") this.showUndoing();
    else this.showResult(phase);
  }

  offer(words) {
    this.main.textContent = words;
    this.main.classList.remove("is-absent");
    setDisabled(this.main, false);
  }

  showCode() {
    const { payment, deadline_at: deadline } = this.visit.settlement;
    const own = `pay.title.${payment?.provider}`;
    this.title.textContent = has(own) ? t(own) : t("pay.title.other", { name: providerName(payment?.provider) });
    this.box.className = "pay-box is-code";
    this.symbol = null;
    this.showSymbol();
    const also = providersOf(this.visit.ways, "code").length > 0 ? t("pay.code.also") : "";
    this.words.textContent = `${also}${t("pay.after")}`;
    if (providersOf(this.visit.ways, "native").length > 1) this.kiosk.setSide(t("pay.other"), () => this.chooseAgain());
    const until = payment?.expires_at ?? deadline;
    const left_s = Math.max(0, (Date.parse(until) - serverNow()) / 1_000) || 0;
    this.countdown = new Countdown(left_s, {
      tick: (seconds) => { this.left.textContent = t("pay.left", { left: minutesText(seconds) }); },
      done: () => this.undo(),
    });
    this.kiosk.setCancel(t("cancel"), () => this.undo());
    this.kiosk.idle.watch(STILL_S, { quiet: true, end: () => this.askStill() });
    this.kiosk.say(t("idle.paying"));
  }

  showSymbol() {
    const symbol = this.visit.settlement.payment?.qr_svg ?? "";
    if (symbol === this.symbol) return;
    this.symbol = symbol;
    const picture = symbol === "" ? h("p", {}, t("check.wait")) : pictureOf(symbol, t(`pay.picture.${this.visit.settlement.payment.provider}`));
    // Nobody's WeChat reads the sandbox's code: there a tap on it opens the sandbox's cashier.
    const cashier = this.visit.settlement.payment?.cashier_url;
    const shown = cashier && symbol !== ""
      ? h("a.sandbox-cashier", { href: cashier, target: "_blank", rel: "noopener" }, picture)
      : picture;
    this.box.replaceChildren(shown);
  }

  chooseAgain() {
    this.choosing = true;
    this.enter("choosing");
  }

  showChoice() {
    const { ways, settlement } = this.visit;
    this.title.textContent = t("choose.title");
    this.box.className = "pay-box is-choice";
    this.box.replaceChildren(...choiceView(ways, (provider) => this.pay(provider)).filter(Boolean));
    this.words.textContent = providersOf(ways, "code").length > 0 ? t("choose.more") : "\u00a0";
    const { payment } = settlement;
    if (!this.choosing && payment?.way === "code") this.sayRefusal(payment);
    this.kiosk.setCancel(t("cancel"), () => this.undo());
    this.kiosk.idle.watch(CHOOSE_S, { end: () => this.undo() });
  }

  /** Why the code that was shown did not pay. */
  sayRefusal(payment) {
    const why = ["code-invalid", "payer-cannot-pay"].includes(payment.refusal) ? payment.refusal : "other";
    const key = payment.state === "FAILED" ? `refused.${why}` : "refused.unpaid";
    this.notices.replaceChildren(h("p.notice", { role: "alert" }, `${t(key)}${t("refused.more")}`));
  }

  pay(provider) {
    return this.attempt(() => this.visit.calls.pay(provider));
  }

  /** The payer's own code came before the scanner. Whatever becomes of the call, it is one call. */
  take(provider, code) {
    this.taking = true;
    this.enter("taking");
    return this.attempt(() => this.visit.calls.take(provider, code));
  }

  async attempt(act) {
    this.following?.stop();
    let failure = null;
    try {
      this.visit.settlement = await act();
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      failure = fault;
    }
    this.choosing = false;
    this.taking = false;
    if (this.gone) return;
    this.seen(this.visit.settlement);
    if (failure !== null) this.notices.replaceChildren(payingNotice(failure));
    this.watch();
  }

  showTaking() {
    this.sign("…", "is-work");
    this.sayTaking();
    this.words.textContent = t("taking.words");
    const enabled = !this.taking;
    this.kiosk.setCancel(t("cancel"), () => this.undo(), enabled);
    this.kiosk.say(t("idle.work"));
    this.countdown = new Countdown(90, { tick: () => {}, done: () => this.unsure() });
  }

  sayTaking() {
    const asks = !this.taking && this.visit.settlement.payment?.state === "AWAITING_PAYER";
    this.title.textContent = t(asks ? "taking.confirm" : "taking.title");
    if (!this.taking) this.kiosk.setCancel(t("cancel"), () => this.undo());
  }

  askStill() {
    const words = h("p", {}, "\u00a0");
    const stay = button("button.button.is-main", t("still.stay"), async () => this.hideQuestion());
    const go = button("button.button.is-quiet", t("still.leave"), async () => {
      this.hideQuestion();
      this.undo();
    });
    const close = this.kiosk.question("ask", h("h1", { id: "ask-title" }, t("still.title")), words, stay, go);
    const countdown = new Countdown(ANSWER_S, {
      tick: (seconds) => { words.textContent = t("still.words", { seconds }); },
      done: () => {
        this.hideQuestion?.();
        this.undo();
      },
    });
    this.hideQuestion = () => {
      this.hideQuestion = null;
      countdown.stop();
      close();
      if (this.phase === "asking") this.kiosk.idle.watch(STILL_S, { quiet: true, end: () => this.askStill() });
      this.kiosk.say(t("idle.paying"));
    };
  }

  showStale() {
    this.title.textContent = t("pay.stale");
    this.sign("–");
    this.offer(t("pay.again"));
    this.kiosk.setCancel(t("cancel"), () => this.undo());
    this.kiosk.idle.watch(60, { end: () => this.undo() });
  }

  showWorking() {
    const { settlement } = this.visit;
    const paid = isMoneyMoving(settlement) && settlement.cash_fen > 0;
    this.title.textContent = paid ? t("pay.got") : t("pay.busy");
    this.sign("…", "is-work");
    this.words.textContent = t("pay.keep");
    this.kiosk.setCancel(t("pay.locked"), () => {}, false);
    this.kiosk.say(t("idle.work"));
    this.countdown = new Countdown(90, { tick: () => {}, done: () => this.unsure() });
  }

  showUndoing() {
    this.title.textContent = t("undoing.title");
    this.sign("…", "is-work");
    this.words.textContent = t("undoing.words");
    this.kiosk.setCancel(t("cancel"), () => {}, false);
    this.kiosk.say(t("idle.work"));
    const wait_s = this.visit.settlement.payment?.way === "code" ? UNDO_CODE_S : UNDO_S;
    this.countdown = new Countdown(wait_s, { tick: () => {}, done: () => this.unsure() });
  }

  showResult(phase) {
    const done = phase === "done";
    this.title.textContent = t(`${phase}.title`);
    this.sign(SIGNS[phase] ?? "!", done ? "is-good" : "");
    this.label.textContent = done ? t("done.paid") : t("pay.amount");
    if (done) {
      this.amount.textContent = `¥${yuan(this.visit.settlement.cash_fen)}`;
      this.words.textContent = t("done.take");
      this.box.append(h("p.box-words", {}, t("done.receipt")));
      this.offer(t("done.print"));
      setDisabled(this.main, true);
    } else if (phase === "elsewhere") {
      this.words.textContent = t("held.gone", heldText(this.visit.settlement));
      this.following?.stop();
    } else if (phase === "unsure") {
      this.words.textContent = `${t("unsure.words")} ${t("receipt.bill_no")} ${this.visit.bill?.bill_no ?? ""}`;
    }
    this.kiosk.setCancel(t("done.finish"), () => this.kiosk.home());
    this.kiosk.idle.watch(RESULT_S, { key: "idle.done" });
  }

  unsure() {
    if (!this.gone) this.enter("unsure");
  }

  sign(mark, kind = "") {
    this.box.className = `pay-box is-sign ${kind}`;
    this.box.replaceChildren(h("span.sign", { "aria-hidden": "true" }, mark));
  }

  async findReceipt() {
    if (this.receipt !== null || this.visit.settlement.receipt !== true) return;
    this.receipt = "asked";
    try {
      this.receipt = await this.visit.calls.readReceipt();
      if (!this.gone) this.showReceipt();
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      this.receipt = null;
    }
  }

  showReceipt() {
    this.box.className = "pay-box is-receipt prints";
    this.box.replaceChildren(h("div.scroll", { tabindex: "0" }, receiptView(this.receipt)));
    document.body.classList.add("has-receipt");
    setDisabled(this.main, false);
  }

  async goOn() {
    if (this.phase === "done") window.print();
    else if (this.phase === "stale") await this.pay(providersOf(this.visit.ways, "native")[0]);
  }

  // Cancelling asks the system to undo; it answers undone, or paid after all. Both are shown.
  async undo() {
    if (this.gone || this.leaving) return;
    this.leaving = true;
    this.enter("undoing");
    try {
      this.seen(await this.visit.calls.abandon());
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      if (!this.gone) this.notices.replaceChildren(payingNotice(fault));
    }
    if (!this.gone && !isFinal(this.visit.settlement)) this.watch();
  }

  cancel() {
    return this.undo();
  }

  scanned(text) {
    if (["choosing", "asking", "stale"].includes(this.phase)) {
      const provider = codeOwner(this.visit.ways, text);
      if (provider !== null) return this.take(provider, text);
      this.notices.replaceChildren(h("p.notice", { role: "alert" }, t("choose.unknown")));
      return undefined;
    }
    if (!["done", "undone", "elsewhere"].includes(this.phase)) return undefined;
    this.kiosk.home();
    return this.kiosk.screen.scanned(text);
  }

  leave() {
    this.gone = true;
    this.hideQuestion?.();
    this.following?.stop();
    this.countdown?.stop();
    document.body.classList.remove("has-receipt");
  }

  redraw() {
    this.draw();
    const { phase } = this;
    this.phase = null;
    this.steps.show(this.visit.settlement);
    this.enter(phase);
    if (this.receipt !== null && this.receipt !== "asked") this.showReceipt();
  }
}

export function payScreen(kiosk, visit) {
  return new Paying(kiosk, visit);
}
