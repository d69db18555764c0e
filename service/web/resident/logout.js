// Logging out. It takes this phone's codes away, so it is asked twice.

import { h, button } from "../element.js";
import { t } from "../language.js";
import { isReached } from "../exchange.js";
import { ask } from "./asking.js";
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
  const start = h("p.row.is-end", {}, button("button.button.is-plain", t("logout"), async () => ask(view, {
    what: t("logout.what"),
    more: t(isReached() ? "logout.more" : "logout.offline"),
    sure: t("logout.sure"),
    act: () => logOut(app),
    back: async () => view.replaceChildren(start),
  })));
  view.append(start);
  return view;
}
