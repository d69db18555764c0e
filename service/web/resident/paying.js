// One settlement from the split to the receipt.

import { h, button, setDisabled } from "../element.js";
import { t } from "../language.js";
import { minutesText, yuan } from "../amounts.js";
import { Fault, serverNow } from "../exchange.js";
import { payingNotice } from "../faults.js";
import { Countdown } from "../countdown.js";
import { receiptView } from "../receipt.js";
import {
  dueFen, follow, heldText, isDone, isElsewhere, isFinal, isFree, isInReview, isMoneyMoving, isPayable,
  isTakenOver,
  splitView, stateWords, stepsView,
} from "../settlement.js";
import { openPage, usableWays, WayChoice } from "./ways.js";

/** The cashier's address: the answer's own, else the configured page with the order's number. */
export function cashierAddress(config, payment, back) {
  const page = payment.cashier_url ?? config.cashier_url;
  if (!config.sandbox || !page) return null;
  const address = new URL(page, location.href);
  const prepay = /^prepay_id=(.{1,128})$/.exec(payment.client_parameters?.package ?? "");
  if (prepay && !address.searchParams.has("prepay_id")) address.searchParams.set("prepay_id", prepay[1]);
  address.searchParams.set("return_url", back);
  return address.protocol.startsWith("http") ? address.href : null;
}

/** Asks WeChat's own browser to take the payment. Resolves when its sheet is closed. */
function askWeChat(parameters) {
  return new Promise((done) => {
    window.WeixinJSBridge.invoke("getBrandWCPayRequest", parameters, done);
  });
}

/** Takes the payer to where the order is paid; false where this browser cannot. */
export async function toProvider(config, chosen, payment, back) {
  // Alipay's twin has a page as Alipay has; WeChat's is stood in for by the twin's cashier.
  const cashier = chosen.provider === "wechatpay" ? cashierAddress(config, payment, back) : null;
  if (cashier) location.assign(cashier);
  else if (payment.link) openPage(payment.link);
  else if (window.WeixinJSBridge && payment.client_parameters) await askWeChat(payment.client_parameters);
  else return false;
  return true;
}

class Paying {
  constructor(app, settlement) {
    this.app = app;
    this.id = settlement.settlement_id;
    this.steps = stepsView();
    this.split = splitView();
    this.words = h("p.state", { role: "status" });
    this.until = h("p.until", {}, "\u00a0");
    this.choice = new WayChoice();
    this.notices = h("div.pay-notices", { "aria-live": "assertive" });
    this.main = button("button.button.is-main", "", () => this.goOn());
    this.side = button("button.button.is-quiet", t("pay.cancel"), () => this.giveUp());
    this.ask = button("button.button.is-plain.is-gone", t("help.ask"), async () => this.app.go(`ask/${this.id}`));
    this.countdown = null;
    this.lost = false;
    this.element = h("section.screen.paying", { "aria-labelledby": "title" },
      h("h1", { id: "title" }, t("pay.title")),
      this.steps.element, this.words, this.split.element, this.choice.element, this.until, this.notices,
      h("div.stack", {}, this.main, this.side, this.ask));
    this.show(settlement);
    this.following = null;
  }

  entered() {
    this.watch();
  }

  watch() {
    this.following?.stop();
    if (isFinal(this.settlement) && (this.settlement.receipt || !isDone(this.settlement))) return;
    this.following = follow({
      read: () => this.app.session.readSettlement(this.id),
      seen: (settlement) => {
        if (this.lost) this.notices.replaceChildren();
        this.lost = false;
        this.show(settlement);
      },
      failed: (fault) => {
        this.lost = true;
        this.notices.replaceChildren(payingNotice(fault, () => this.watch()));
      },
    });
  }

  show(settlement) {
    this.settlement = settlement;
    this.element.dataset.state = settlement.state;
    this.steps.show(settlement);
    this.split.show(settlement);
    const lost = isTakenOver(settlement) && isElsewhere(settlement);
    this.words.textContent = lost ? t("held.gone", heldText(settlement)) : stateWords(settlement);
    this.words.classList.toggle("is-good", isDone(settlement));
    this.words.classList.toggle("is-grave", isInReview(settlement));
    const isOpen = !lost && isPayable(settlement) && !isFree(settlement) && !isMoneyMoving(settlement);
    if (isOpen) this.findWays();
    const standing = settlement.state === "AWAITING_PAYER" ? settlement.payment?.provider : undefined;
    this.choice.show(isOpen, standing);
    this.ask.classList.toggle("is-gone", !isOpen);
    this.showActions(settlement, lost);
    this.showUntil(settlement);
  }

  /** Asked once, and again at paying where that failed: the page is of use without the answer. */
  findWays() {
    this.finding ??= this.askWays().catch((fault) => {
      if (!(fault instanceof Fault)) throw fault;
      this.finding = null;
    });
    return this.finding;
  }

  async askWays() {
    const { session } = this.app;
    const config = await session.readConfig();
    const offered = await session.listWays(this.id);
    this.choice.offer(usableWays(offered, { agent: navigator.userAgent, isSandbox: config.sandbox }));
    this.show(this.settlement);
  }

  showActions(settlement, lost) {
    const closed = ["CLOSED", "FAILED"].includes(settlement.payment?.state);
    const amount = yuan(dueFen(settlement));
    let words = t("pay.wait");
    if (isDone(settlement)) words = settlement.receipt ? t("pay.receipt") : t("pay.home");
    else if (isFinal(settlement)) words = t("pay.home");
    else if (lost) words = t("held.back");
    else if (isFree(settlement)) words = t("pay.confirm");
    else if (isPayable(settlement)) words = closed ? t("pay.again") : t("pay.now", { amount });
    this.main.textContent = words;
    const ready = isDone(settlement) || isFinal(settlement) || isPayable(settlement) || lost;
    setDisabled(this.main, !ready || isMoneyMoving(settlement));
    const leave = ["PRESETTLING", "PRESETTLED", "AWAITING_PAYER"].includes(settlement.state);
    this.side.classList.toggle("is-absent", !leave || lost || isMoneyMoving(settlement));
  }

  showUntil(settlement) {
    const until = isPayable(settlement) ? settlement.deadline_at : null;
    if (until === this.shownUntil) return;
    this.shownUntil = until;
    this.countdown?.stop();
    this.until.textContent = "\u00a0";
    if (!until) return;
    const left_s = Math.max(0, (Date.parse(until) - serverNow()) / 1_000);
    this.countdown = new Countdown(left_s, {
      tick: (seconds) => { this.until.textContent = t("pay.until", { left: minutesText(seconds) }); },
      done: () => { this.until.textContent = "\u00a0"; },
    });
  }

  async goOn() {
    const { settlement } = this;
    if (isDone(settlement) && settlement.receipt) return this.app.go(`receipt/${this.id}`);
    if (isDone(settlement) || isFinal(settlement)) return this.app.go("code");
    return this.attempt(async () => {
      if (isTakenOver(settlement)) this.show(await this.app.session.takeOver(this.id, settlement));
      else if (isFree(settlement)) this.show(await this.app.session.confirm(this.id));
      else await this.pay();
    });
  }

  async pay() {
    const { session } = this.app;
    await (this.finding ??= this.askWays());
    const { chosen } = this.choice;
    if (chosen === null) {
      this.say(t("pay.outside"));
      return;
    }
    const settlement = await session.pay(this.id, chosen);
    this.show(settlement);
    const back = `${location.origin}/#/settlement/${encodeURIComponent(this.id)}`;
    if (!await toProvider(session.config, chosen, settlement.payment ?? {}, back)) this.say(t("pay.outside"));
  }

  say(words) {
    this.notices.replaceChildren(h("p.notice", { role: "alert" }, words));
  }

  giveUp() {
    return this.attempt(async () => this.show(await this.app.session.abandon(this.id)));
  }

  async attempt(act) {
    this.following?.stop();
    this.notices.replaceChildren();
    try {
      await act();
      this.watch();
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      this.watch();
      this.notices.replaceChildren(payingNotice(fault));
    }
  }

  leave() {
    this.following?.stop();
    this.countdown?.stop();
  }

  found() {
    this.watch();
  }
}

export async function settlementScreen(app, settlementId) {
  return new Paying(app, await app.session.readSettlement(settlementId));
}

export async function receiptScreen(app, settlementId) {
  const receipt = await app.session.readReceipt(settlementId);
  const element = h("section.screen", { "aria-label": t("receipt.title") },
    receiptView(receipt),
    h("div.stack.unprinted", {},
      button("button.button.is-main", t("receipt.print"), async () => window.print()),
      h("a.button.is-quiet", { href: "#/code" }, t("pay.home"))));
  return { element };
}
