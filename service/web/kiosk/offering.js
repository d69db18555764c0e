// Between check and pay: the offer that a phone binds its payment code to, until that code comes.

import { h, pictureOf } from "../element.js";
import { t } from "../language.js";
import { minutesText, yuan } from "../amounts.js";
import { Fault } from "../exchange.js";
import { faultNotice } from "../faults.js";
import { Countdown } from "../countdown.js";
import { readApproved } from "./reading.js";

/** Somebody at this screen handles a phone and touches nothing. */
const IDLE_S = 120;
/** The offer is over; with the others the system does not take this kiosk's key. */
const OVER = "offer-not-open";
const KEY_REFUSED = ["till-not-trusted", "offer-elsewhere", "offer-invalid"];

class Offering {
  constructor(kiosk, { scan, bill, again }) {
    Object.assign(this, { kiosk, scan, bill, again });
    this.station = "check";
    this.gone = false;
    this.busy = false;
    this.turn = 0;
    this.offer = null;
    this.countdown = null;
    this.element = h("section.pay.offering", { "aria-labelledby": "title" });
    this.draw();
  }

  draw() {
    const { bill } = this;
    this.box = h("div.pay-box", {}, h("p", {}, t("check.wait")));
    this.left = h("p.pay-left", {}, "\u00a0");
    this.words = h("p.state", { role: "status" }, t("offer.more"));
    this.notices = h("div.notices", { "aria-live": "assertive" });
    this.element.replaceChildren(this.box, h("div.pay-side", {},
      h("h1", { id: "title" }, t("offer.title")),
      h("div.pay-sum", {},
        h("p.pay-label", {}, `${bill.department || bill.institution_name} · ${t("split.total_fen")}`),
        h("p.pay-amount.amount", {}, `¥${yuan(bill.total_fen)}`)),
      h("p.offer-lead", {}, h("span", {}, t("offer.lead")), h("span", {}, t("offer.then"))),
      this.left,
      h("div.say", {}, this.words, this.notices)));
  }

  entered() {
    this.kiosk.idle.watch(IDLE_S);
    this.offerOthers();
    this.renew();
  }

  offerOthers() {
    this.kiosk.setSide(this.again ? t("offer.others") : "", this.again);
  }

  /** A new offer in place of the one before, which counts no longer. Of several asked for at once
   *  the last is shown. */
  async renew() {
    this.countdown?.stop();
    this.turn += 1;
    const mine = this.turn;
    const renewed = this.offer !== null;
    const offer = await this.kiosk.offers.make(this.bill);
    if (this.gone || mine !== this.turn) return;
    this.offer = offer;
    if (offer === null) {
      this.showNone();
      return;
    }
    this.words.textContent = t(renewed ? "offer.renewed" : "offer.more");
    this.showSymbol();
    this.countdown = new Countdown(offer.life_s, {
      tick: (seconds) => { this.left.textContent = t("offer.left", { left: minutesText(seconds) }); },
      done: () => this.renew(),
    });
  }

  showSymbol() {
    this.box.className = "pay-box is-code";
    this.box.replaceChildren(pictureOf(this.offer.svg, t("offer.picture")));
  }

  /** Without an offer a code that the person shows to pay will do. */
  showNone() {
    this.box.className = "pay-box";
    this.box.replaceChildren(h("p", {}, t("scan.slot")));
    this.left.textContent = "\u00a0";
    this.notices.replaceChildren(faultNotice(new Fault("problem", { code: "offer-not-made" })));
  }

  async scanned(text) {
    if (this.busy) return;
    this.busy = true;
    this.notices.replaceChildren();
    this.words.textContent = t("scan.reading");
    try {
      const scan = await readApproved(this.kiosk, text, this.offer?.text, this.scan);
      if (!this.gone) this.kiosk.check(scan, this.bill);
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      if (!this.gone) await this.refuse(fault);
    } finally {
      this.busy = false;
    }
  }

  async refuse(fault) {
    if (fault.status === 401 && fault.code === "not-authenticated") {
      this.kiosk.refused();
      return;
    }
    this.words.textContent = t("offer.more");
    if (KEY_REFUSED.includes(fault.code)) await this.kiosk.offers.begunAnew();
    if (fault.code === OVER || KEY_REFUSED.includes(fault.code)) await this.renew();
    if (!this.gone) this.notices.replaceChildren(faultNotice(fault));
  }

  unread() {
    this.notices.replaceChildren();
    this.words.textContent = t("scan.bad");
  }

  cancel() {
    this.kiosk.home();
  }

  leave() {
    this.gone = true;
    this.countdown?.stop();
  }

  redraw() {
    this.draw();
    this.offerOthers();
    if (this.offer === null) return;
    this.showSymbol();
    this.countdown?.retell();
  }
}

export function offerScreen(kiosk, visit) {
  return new Offering(kiosk, visit);
}
