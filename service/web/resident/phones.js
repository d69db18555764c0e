// The person's phones, and what to do when one is lost.

import { h, button } from "../element.js";
import { t } from "../language.js";
import { timeText } from "../amounts.js";
import { serverNow } from "../exchange.js";
import { faultNotice } from "../faults.js";
import { ask } from "./asking.js";

const nameOf = (phone) => phone.label || t("phones.unnamed");

function phoneRow(phone, isThis, stop) {
  const isOver = Date.parse(phone.expires_at) < serverNow();
  const more = [t(isOver ? "phones.over" : "phones.shows"), t("phones.since", { time: timeText(phone.enrolled_at) })];
  return h("li.phone", { "data-state": phone.state },
    h("span.phone-name", {}, nameOf(phone),
      isThis ? h("span.badge.is-good", {}, t("phones.this")) : null),
    h("span.phone-more", {}, more.join(" · ")),
    button("button.button.is-quiet", t("phones.stop"), async () => stop()));
}

/** A fold with the list, and the one button for a lost phone. To stop is asked twice. */
export function phonesView(app) {
  const body = h("div.stack.question", { "aria-live": "polite" }, h("p.note", {}, "\u00a0"));
  const fold = h("details.fold", {}, h("summary", {}, t("phones.title")), body);

  const draw = async () => {
    try {
      const phones = (await app.session.listPhones()).filter((phone) => phone.state === "ACTIVE");
      body.replaceChildren(
        h("ul.phones", {}, phones.map((phone) => {
          const isThis = phone.phone_id === app.phone?.record?.phoneId;
          return phoneRow(phone, isThis, () => askOne(phone, isThis));
        })),
        phones.length === 0 ? h("p.note", {}, t("phones.none")) : "",
        button("button.button.is-quiet", t("phones.lost"), askAll));
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
    await draw();
    await app.freed?.();
    // It may have taken the place that is free.
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
  const askOne = (phone, isThis) => ask(body, {
    what: t("phones.stop.what", { name: isThis ? t("phones.this") : nameOf(phone) }),
    more: t(isThis ? "phones.stop.this" : "phones.stop.more"),
    sure: t("phones.stop.sure"),
    act: () => stop(phone.phone_id, isThis),
    back: draw,
  });
  const askAll = async () => ask(body, {
    what: t("phones.lost.what"), more: t("phones.lost.more"), sure: t("phones.lost.sure"), act: stopAll, back: draw,
  });
  fold.addEventListener("toggle", async () => {
    if (!fold.open) return;
    await draw();
    fold.scrollIntoView({ block: "start" });
  });
  return fold;
}
