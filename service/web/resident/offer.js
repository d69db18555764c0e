// What a till asks this phone to confirm: name, purpose and amount, then a code bound to just that.

import { h, button } from "../element.js";
import { t, has } from "../language.js";
import { yuan } from "../amounts.js";
import { Fault, pause } from "../exchange.js";
import { faultNotice } from "../faults.js";
import { readTrust } from "./phone.js";
import { CodeShow } from "./showing.js";

const TIME_REASONS = ["OFFER_EXPIRED", "OFFER_NOT_YET_VALID"];
// Nobody is named in these: cut short, mistyped, or newer than this page.
const UNREADABLE = ["OFFER_MALFORMED", "OFFER_UNSUPPORTED", "TILL_MALFORMED", "TILL_KEY"];
const FINAL = ["offer-expired", "offer-unreadable"];

/** What went wrong, as a fault that has words. */
function faultOf(fault) {
  if (fault instanceof Fault) {
    return fault.kind === "offline" ? new Fault("problem", { code: "offer-no-list" }) : fault;
  }
  if (TIME_REASONS.includes(fault.reason)) return new Fault("problem", { code: "offer-expired" });
  return new Fault("problem", { code: UNREADABLE.includes(fault.reason) ? "offer-unreadable" : "offer-not-proved" });
}

function factsView({ name, offer }) {
  const key = `offer.${offer.purpose}`;
  return h("dl.facts.offer", {},
    h("div.fact", {}, h("dt", {}, t("offer.who")), h("dd", {}, name)),
    h("div.fact", {}, h("dt", {}, t("offer.what")), h("dd", {}, t(has(key) ? key : "offer.identify"))),
    offer.amount_fen > 0n
      ? h("div.fact", {}, h("dt", {}, t("offer.amount")), h("dd.offer-amount.amount", {}, `¥${yuan(offer.amount_fen)}`))
      : null);
}

const scanAgain = (app) => button("button.button.is-quiet", t("offer.scan"), () => app.go("scan", true));
const home = (app) => button("button.button.is-quiet", t("pay.home"), () => app.go("code", true));

/** Shows the bound code while the offer lives; `over` is called when it has ended. */
function boundView(app, opened, over) {
  const shown = new CodeShow(app, opened.offer.purpose, opened);
  let isLeft = false;
  const left_ms = (opened.expires_s - app.phone.server_s()) * 1_000;
  pause(Math.max(0, left_ms)).then(() => { if (!isLeft) over(); });
  const leave = () => {
    isLeft = true;
    shown.leave();
  };
  return { shown, leave, element: h("div.code-card", {}, shown.parts(), shown.notices, shown.text.element) };
}

export async function offerScreen(app, text) {
  const body = h("div.stack");
  const element = h("section.screen", { "aria-labelledby": "title" },
    h("h1", { id: "title" }, t("offer.title")), body);
  let leave = () => {};
  const fail = (raised) => {
    leave();
    const fault = faultOf(raised);
    const again = FINAL.includes(fault.code) ? [] : [button("button.button.is-quiet", t("again"), () => app.show())];
    body.replaceChildren(faultNotice(fault), ...again, scanAgain(app), home(app));
  };
  const agree = async (opened) => {
    const bound = boundView(app, opened, () => fail(new Fault("problem", { code: "offer-expired" })));
    leave = bound.leave;
    body.replaceChildren(factsView(opened), bound.element);
    // The whole card where it fits; the code where it does not.
    bound.element.scrollIntoView({ block: "nearest" });
    bound.element.querySelector(".code-frame").scrollIntoView({ block: "nearest" });
    await bound.shown.renew();
  };
  try {
    if (!app.phone?.canShow) throw new Fault("problem", { code: "offer-needs-phone" });
    const opened = await app.phone.openOffer(text, readTrust);
    body.append(factsView(opened), h("p.note", {}, t("offer.more")),
      button("button.button.is-main", t("offer.agree"), () => agree(opened)),
      button("button.button.is-quiet", t("offer.refuse"), () => app.go("code", true)));
  } catch (fault) {
    fail(fault);
  }
  return { element, leave: () => leave() };
}
