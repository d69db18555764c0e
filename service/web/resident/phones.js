// The person's phones, and what to do when one is lost.

import { h, button } from "../element.js";
import { t } from "../language.js";
import { timeText } from "../amounts.js";
import { serverNow } from "../exchange.js";
import { faultNotice } from "../faults.js";

function phoneRow(app, phone, stop) {
  const isThis = phone.phone_id === app.phone?.record?.phoneId;
  const isOver = Date.parse(phone.expires_at) < serverNow();
  const more = [t(isOver ? "phones.over" : "phones.shows"), t("phones.since", { time: timeText(phone.enrolled_at) })];
  return h("li.phone", { "data-state": phone.state },
    h("span.phone-name", {}, phone.label || t("phones.unnamed"),
      isThis ? h("span.badge.is-good", {}, t("phones.this")) : null),
    h("span.phone-more", {}, more.join(" · ")),
    button("button.button.is-quiet", t("phones.stop"), () => stop(phone.phone_id, isThis)));
}

/** A fold with the list, and the one button for a lost phone, asked twice. */
export function phonesView(app) {
  const body = h("div.stack", { "aria-live": "polite" }, h("p.note", {}, "\u00a0"));
  const fold = h("details.fold", {}, h("summary", {}, t("phones.title")), body);

  const draw = async () => {
    try {
      const phones = (await app.session.listPhones()).filter((phone) => phone.state === "ACTIVE");
      body.replaceChildren(
        h("ul.phones", {}, phones.map((phone) => phoneRow(app, phone, stop))),
        phones.length === 0 ? h("p.note", {}, t("phones.none")) : "",
        button("button.button.is-quiet", t("phones.lost"), ask));
    } catch (fault) {
      body.replaceChildren(faultNotice(fault, draw));
    }
  };
  const stop = async (phoneId, isThis) => {
    try {
      await app.session.stopPhone(phoneId);
    } catch (fault) {
      body.replaceChildren(faultNotice(fault, draw));
      return;
    }
    if (isThis) {
      await app.phone.stop();
      app.stopped?.();
    }
    await app.freed?.();
    await draw();
  };
  const stopAll = async () => {
    try {
      await app.session.stopAllPhones();
      await app.phone?.forget();
      // This login goes on: its phone is enrolled anew, as at the next opening.
      await app.freed?.();
      const isAnew = app.phone?.canShow === true;
      if (!isAnew) app.stopped?.();
      body.replaceChildren(h("p.notice", { role: "status" }, t(isAnew ? "phones.stopped.anew" : "phones.stopped")));
    } catch (fault) {
      body.replaceChildren(faultNotice(fault, stopAll));
    }
  };
  const ask = () => {
    const sure = button("button.button.is-main", t("phones.lost.sure"), stopAll);
    body.replaceChildren(h("div.notice", {}, h("p.notice-what", {}, t("phones.lost.what")),
      h("p", {}, t("phones.lost.more"))), sure, button("button.button.is-quiet", t("phones.back"), draw));
    sure.focus({ preventScroll: true });
    fold.scrollIntoView({ block: "start" });
  };
  fold.addEventListener("toggle", async () => {
    if (!fold.open) return;
    await draw();
    fold.scrollIntoView({ block: "start" });
  });
  return fold;
}
