// What a till asks this phone to confirm: name, purpose and amount, then a code bound to just that.

import { h, button } from "../element.js";
import { t, has } from "../language.js";
import { yuan } from "../amounts.js";
import { exchange, Fault, pause } from "../exchange.js";
import { faultNotice } from "../faults.js";
import { CodeShow } from "./code.js";

const readTrust = () => exchange({ method: "GET", path: "/v1/lists/trust", once: true });

/** What went wrong, as a fault that has words. */
function faultOf(fault) {
  if (fault instanceof Fault) return fault;
  const isOver = ["OFFER_EXPIRED", "OFFER_NOT_YET_VALID"].includes(fault.reason);
  return new Fault("problem", { code: isOver ? "offer-expired" : "offer-not-proved" });
}

/** The amount as people read it; an integer beyond what a number holds is shown digit by digit. */
const amountText = (fen) => (fen <= BigInt(Number.MAX_SAFE_INTEGER) ? `¥${yuan(Number(fen))}` : `${fen} 分`);

function factsView({ name, offer }) {
  const key = `offer.${offer.purpose}`;
  return h("dl.facts.offer", {},
    h("div.fact", {}, h("dt", {}, t("offer.who")), h("dd", {}, name)),
    h("div.fact", {}, h("dt", {}, t("offer.what")), h("dd", {}, t(has(key) ? key : "offer.identify"))),
    offer.amount_fen > 0n
      ? h("div.fact", {}, h("dt", {}, t("offer.amount")), h("dd.offer-amount.amount", {}, amountText(offer.amount_fen)))
      : null);
}

/** Shows the bound code while the offer lives. */
function boundView(app, opened) {
  const shown = new CodeShow(app, opened.offer.purpose, opened);
  const left_ms = () => (opened.expires_s - app.phone.server_s()) * 1_000;
  pause(Math.max(0, left_ms())).then(() => { shown.leave(); shown.expire(); });
  return { shown, element: h("div.code-card", {}, shown.parts(), shown.notices) };
}

export async function offerScreen(app, text) {
  const title = h("h1", { id: "title" }, t("offer.title"));
  const body = h("div.stack");
  const element = h("section.screen", { "aria-labelledby": "title" }, title, body);
  let shown = null;
  try {
    if (!app.phone?.canShow) throw new Fault("problem", { code: "offer-needs-phone" });
    const opened = await app.phone.openOffer(text, readTrust);
    const agree = button("button.button.is-main", t("offer.agree"), async () => {
      const bound = boundView(app, opened);
      shown = bound.shown;
      body.replaceChildren(factsView(opened), bound.element);
      await shown.renew();
    });
    body.append(factsView(opened), h("p.note", {}, t("offer.more")), agree,
      button("button.button.is-quiet", t("offer.refuse"), () => app.go("code", true)));
  } catch (fault) {
    body.append(faultNotice(faultOf(fault)), button("button.button.is-quiet", t("pay.home"), () => app.go("code", true)));
  }
  return { element, leave: () => shown?.leave() };
}
