// The resident page: one place in the address for each screen, so that back and reload work.

import "./words.js";
import { h } from "../element.js";
import { onLanguage, otherLanguage, setLanguage, t } from "../language.js";
import { onReach } from "../exchange.js";
import { faultNotice } from "../faults.js";
import { Session } from "./session.js";
import { loginScreen, registrationScreen } from "./entering.js";
import { codeScreen } from "./code.js";
import { loggedOutNotice } from "./logout.js";
import { noCode } from "./showing.js";
import { billScreen, billsScreen } from "./bills.js";
import { offerScreen } from "./offer.js";
import { printedScreen } from "./printed.js";
import { scanScreen } from "./scan.js";
import { receiptScreen, settlementScreen } from "./paying.js";
import { askScreen, helpScreen, takeHelpedLink } from "./help.js";
import { openPhone } from "./phone.js";
import { openOffline } from "./offline.js";

const main = document.getElementById("main");
const tabs = document.getElementById("tabs");
const SCREENS = {
  code: codeScreen, bills: billsScreen, bill: billScreen,
  settlement: settlementScreen, receipt: receiptScreen,
  scan: scanScreen, offer: offerScreen, printed: printedScreen, ask: askScreen, help: helpScreen,
};

const ALONE = new Set(["code", "scan", "offer"]);

let screen = null;
let turn = 0;

const app = {
  session: new Session(),
  draft: { name: "", id_no: "", phone: "" },
  ended: null,
  phone: null,
  owed: 0,
  wantsLogin: false,
  isLoggedOut: false,
  go(place, replace = false) {
    if (location.hash === `#/${place}`) return show();
    if (replace) {
      history.replaceState(null, "", `#/${place}`);
      return show();
    }
    location.hash = `#/${place}`;
    return undefined;
  },
};

function placeNow() {
  const [name, id] = location.hash.replace(/^#\//, "").split("?")[0].split("/");
  return { name: name in SCREENS ? name : "code", id: decodeURIComponent(id ?? "") };
}

const phoneOpened = openPhone(app.session).then((phone) => { app.phone = phone; });

/** A phone that holds a valid credential shows codes with no network and no login. */
function showsAlone() {
  if (!app.phone?.canShow || app.wantsLogin || !ALONE.has(placeNow().name)) return false;
  app.session.me ??= app.phone.record.me ?? null;
  return app.session.me !== null;
}

/** A provider's page comes back to `/?settlement=ID`: a part after `#` does not survive the way. */
function returnFromProvider() {
  const id = new URLSearchParams(location.search).get("settlement");
  if (!id) return;
  const link = takeHelpedLink();
  const place = link === null ? `settlement/${encodeURIComponent(id)}` : `help/${link}`;
  history.replaceState(null, "", `${location.pathname}#/${place}`);
}

async function chooseScreen() {
  const { session } = app;
  await phoneOpened;
  if (showsAlone()) return SCREENS[placeNow().name](app, placeNow().id);
  if (!session.token) {
    await session.readConfig();
    await loginFromAddress();
  }
  if (!session.token) return loginScreen(app);
  app.wantsLogin = false;
  const me = await session.readMe();
  const { name, id } = placeNow();
  // Whoever pays for somebody else says to nobody who he is.
  if (!me.registered && name !== "help") return registrationScreen(app);
  return SCREENS[name](app, id);
}

// WeChat's web login comes back to this page with a code in the address; it is used once.
async function loginFromAddress() {
  const code = new URLSearchParams(location.search).get("code");
  if (!code) return;
  history.replaceState(null, "", location.pathname + location.hash);
  await app.session.login(code);
}

/** Where a screen cannot be had: what is known, and trying again, by itself once the system is found. */
function failedScreen(fault) {
  const isPaying = ["settlement", "receipt", "help"].includes(placeNow().name);
  const element = h("div.stack", {},
    loggedOutNotice(app), faultNotice(noCode(fault, app), show, isPaying));
  const isOffline = fault.kind === "offline";
  return { element, saysLost: isOffline, found: isOffline ? show : null };
}

async function show() {
  turn += 1;
  const mine = turn;
  screen?.leave?.();
  screen = null;
  main.setAttribute("aria-busy", "true");
  let next;
  try {
    next = await chooseScreen();
  } catch (fault) {
    if (fault.status === 401 && !app.session.token) next = loginScreen(app);
    else {
      // With a code of its own the way to it stays open, whatever else cannot be reached.
      if (app.phone?.canShow) app.session.me ??= app.phone.record.me ?? null;
      next = failedScreen(fault);
    }
  }
  if (mine !== turn) {
    next.leave?.();
    return;
  }
  screen = next;
  main.removeAttribute("aria-busy");
  main.replaceChildren(next.element);
  drawFrame();
  scrollTo(0, 0);
  (next.focus ?? main).focus({ preventScroll: true });
  next.entered?.();
}
app.show = show;
app.drawFrame = drawFrame;

const reach = document.getElementById("reach");
let isLost = false;

/** Said anew with each screen: whether this phone can do without a network may have changed. Said
 *  once: where the whole screen says that there is none, the bar says only what it does not. */
function drawReach() {
  if (!isLost) return;
  const alone = app.phone?.canShow === true;
  const lost = screen?.saysLost ? "" : t("reach.lost");
  reach.textContent = alone ? t("reach.alone") : lost;
  reach.classList.toggle("is-lost", !alone);
}

onReach((reached) => {
  isLost = !reached;
  drawReach();
  if (!reached) return;
  reach.textContent = t("reach.found");
  reach.classList.remove("is-lost");
  setTimeout(() => { if (!isLost) reach.textContent = ""; }, 2_500);
  screen?.found?.();
});
function drawFrame() {
  const { name } = placeNow();
  const inside = Boolean(app.session.me?.registered);
  const tab = (place, count = 0) => h("a.tab", {
    href: `#/${place}`,
    "aria-current": name === place ? "page" : null,
  }, h("span", {}, t(`tab.${place}`),
    count > 0 ? h("span.tab-count", { "aria-label": t("code.owed", { count }) }, String(count)) : null));
  tabs.hidden = !inside;
  document.body.classList.toggle("has-tabs", inside);
  tabs.setAttribute("aria-label", t("tab.label"));
  tabs.replaceChildren(tab("code"), tab("bills", app.owed));
  document.getElementById("brand").textContent = t("brand");
  document.getElementById("skip").textContent = t("skip");
  const language = document.getElementById("language");
  language.textContent = t("language");
  language.lang = otherLanguage() === "en" ? "en" : "zh-CN";
  drawReach();
}

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.getElementById("language").addEventListener("click", () => setLanguage(otherLanguage()));
onLanguage(show);
app.session.onEnd = async (fault) => {
  app.ended = fault;
  if (fault.code !== "login-stopped") return;
  // This phone's codes are void wherever they are checked: none may be shown as if it were good.
  await app.phone?.stop();
  if (screen !== null) show();
};
app.session.onLogin = () => {
  app.isLoggedOut = false;
  return app.phone?.meetLogin();
};
addEventListener("hashchange", show);
returnFromProvider();
drawFrame();
show();
openOffline();
