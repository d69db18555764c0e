// Home: the code, large; how long it lives; who it is; whether insurance is linked.

import { h, button } from "../element.js";
import { t, has } from "../language.js";
import { faultNotice } from "../faults.js";
import { Fault } from "../exchange.js";
import { logOutView } from "./logout.js";
import { hearClock, readTrust, within } from "./phone.js";
import { phonesView } from "./phones.js";
import { CodeShow, STOPPED } from "./showing.js";

const PURPOSES = ["identify", "register", "pay"];
const STORE = "yimatong.purpose";
const ENROL_WAIT_MS = 4_000;

function personView(me) {
  const status = me.insurance?.status ?? "UNKNOWN";
  const linked = status === "LINKED";
  const words = t(has(`insurance.${status}`) ? `insurance.${status}` : "insurance.UNKNOWN");
  const type = me.insurance?.insurance_type;
  const kind = type && has(`insurance.${type}`)
    ? h("span.badge-more", {}, ` · ${t(`insurance.${type}`)}`) : null;
  return h("div.person", {},
    h("p.person-name", {}, me.masked_name ?? ""),
    h(`p.badge.person-badge${linked ? ".is-good" : ""}`, {},
      h("span.badge-sign", { "aria-hidden": "true" }, linked ? "✓" : "–"), h("span", {}, words, kind)));
}

function purposeSwitch(chosen, choose) {
  const option = (purpose) => {
    const input = h("input", { type: "radio", name: "purpose", value: purpose, checked: purpose === chosen });
    input.addEventListener("change", () => choose(purpose));
    return h("label.choice", {}, input, h("span", {}, t(`code.${purpose}`)));
  };
  return h("fieldset.switch", {}, h("legend.unseen", {}, t("code.purpose")), PURPOSES.map(option));
}

/** How many bills wait, on their tab. */
async function countOwed(app) {
  const bills = await app.session.listBills().catch(() => null);
  if (bills === null) return;
  app.owed = bills.filter((bill) => ["OPEN", "LOCKED"].includes(bill.state)).length;
  app.drawFrame();
}

/** Why this phone makes no codes of its own, and what to do; null where trying again says it all. */
function troubleView(fault, { openPhones, again, anew }) {
  const isSaid = fault instanceof Fault && fault.kind === "problem" && fault.status !== 401;
  if (!isSaid || (fault.retryable && fault.code !== "phone-credentials-used-up")) return null;
  const isFull = fault.code === "phone-limit-reached";
  const notice = faultNotice(has(`fault.${fault.code}`) ? fault : new Fault("problem", { code: "no-own-codes" }));
  const [word, act] = isFull ? ["phones.open", openPhones]
    : fault.code === STOPPED ? ["phones.anew", anew] : ["again", again];
  notice.append(button("button.button.is-quiet", t(word), act));
  return notice;
}

const waysView = () => h("nav.ways", { "aria-label": t("ways.label") },
  h("a.button.is-quiet", { href: "#/scan" }, t("ways.scan")),
  h("a.button.is-quiet", { href: "#/printed" }, t("ways.printed")));

export function codeScreen(app) {
  const { session } = app;
  const stored = localStorage.getItem(STORE);
  const shown = new CodeShow(app, PURPOSES.includes(stored) ? stored : "identify");
  const phones = app.phone && session.token ? phonesView(app) : null;
  const trouble = h("div", { "aria-live": "polite" });
  const ended = h("div");
  let person = personView(session.me);
  app.stopped = () => shown.renew();
  app.freed = () => freshen(true);
  shown.onTrouble = (fault) => {
    const view = fault === null ? null
      : troubleView(fault, {
        openPhones: () => { phones.open = true; }, again: () => freshen(true), anew: () => freshen(true, true),
      });
    trouble.replaceChildren(...(view === null ? [] : [view]));
  };
  const sayLoginEnded = () => {
    session.me ??= app.phone?.record?.me ?? null;
    const login = button("button.button.is-quiet", t("code.login"), () => {
      app.wantsLogin = true;
      return app.show();
    });
    ended.replaceChildren(h("div.notice", { role: "status" }, h("p", {}, t("code.login.more")), login));
  };
  const renewPerson = async () => {
    if (!session.token) return sayLoginEnded();
    try {
      const renewed = personView(await session.refreshMe());
      person.replaceWith(renewed);
      person = renewed;
      await app.phone?.keep({ me: session.me });
      await hearClock(app.phone);
    } catch (fault) {
      if (fault.status === 401) sayLoginEnded();
      // Else what is shown stays; the code's own notice speaks of a lost connection.
    }
    return undefined;
  };
  const freshen = async (now = false, asked = false) => {
    const wasOwn = shown.isOwn;
    const couldShow = wasOwn && app.phone?.canShow === true;
    if (!await shown.keepFresh(now, asked)) {
      // Stopped or refused meanwhile: what is on the screen counts no longer.
      if (wasOwn) await shown.renew();
      return;
    }
    await app.phone.keep({ me: session.me });
    if (!couldShow) await shown.renew();
    // For an offer in a place without a network. Where there is no list, offers say so.
    if (navigator.onLine) await app.phone.keepTrust(readTrust).catch(() => {});
  };
  const enter = async () => {
    if (!app.phone?.canShow) await within(ENROL_WAIT_MS, shown.keepFresh());
    await shown.renew();
    await Promise.all([freshen(), renewPerson(), countOwed(app)]);
  };
  const element = h("section.screen.home", { "aria-labelledby": "title" },
    h("h1.unseen", { id: "title" }, t("code.title")),
    h("div.code-card", {},
      person,
      purposeSwitch(shown.purpose, (purpose) => {
        localStorage.setItem(STORE, purpose);
        shown.choose(purpose);
      }),
      shown.parts(),
      waysView()),
    h("div.home-more", {},
      shown.notices,
      trouble,
      ended,
      shown.text.element,
      phones,
      logOutView(app)));
  return {
    element,
    entered: enter,
    leave: () => {
      app.stopped = null;
      app.freed = null;
      shown.leave();
    },
    found: () => {
      if (shown.countdown === null) shown.renew();
      freshen();
    },
  };
}
