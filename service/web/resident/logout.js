// Logging out. It takes this phone's codes away, so it is asked twice.

import { h, button } from "../element.js";
import { t } from "../language.js";
import { isReached } from "../exchange.js";
import { within } from "./phone.js";

const WAIT_MS = 4_000;

/** Ends it here and at the system: this phone's codes, its place among the person's phones, the
 *  login. With no network the key goes alone; the place is free again when the credential ends. */
async function logOut(app) {
  const { session, phone } = app;
  const phoneId = phone?.record?.phoneId;
  if (session.token && navigator.onLine) {
    const told = (async () => {
      if (phoneId) await session.stopPhone(phoneId).catch(() => {});
      await session.tellEnd().catch(() => {});
    })();
    await within(WAIT_MS, told);
  }
  session.end();
  await phone?.forget();
  app.isLoggedOut = true;
  await app.show();
}

/** Said until the next login, on whatever screen can be had. */
export const loggedOutNotice = (app) =>
  (app.isLoggedOut ? h("p.notice", { role: "status" }, t("logout.done")) : null);

/** The button, and the question in its place. */
export function logOutView(app) {
  const view = h("div.stack.question");
  const start = h("p.row.is-end", {}, button("button.button.is-plain", t("logout"), async () => ask()));
  const ask = () => {
    const sure = button("button.button.is-quiet", t("logout.sure"), () => logOut(app));
    const back = button("button.button.is-main", t("phones.back"), async () => view.replaceChildren(start));
    view.replaceChildren(
      h("div.notice", { role: "alert" },
        h("p.notice-what", {}, t("logout.what")),
        h("p", {}, t(isReached() ? "logout.more" : "logout.offline"))),
      back, sure);
    view.scrollIntoView({ block: "nearest" });
    back.focus({ preventScroll: true });
  };
  view.append(start);
  return view;
}
