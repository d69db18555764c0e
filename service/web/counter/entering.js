// Before work begins: the terminal's activation, the cashier's sign-in, the opening of a shift.

import { h } from "../element.js";
import { t } from "../language.js";
import { Fault } from "../exchange.js";
import { faultNotice } from "../faults.js";
import { awaitingView } from "./awaiting.js";
import { giveBackView } from "./giving.js";
import { fenOf, field, form, moneyField } from "./parts.js";

/** The code in the address (`/counter#CODE`), taken out of it: it works once, for staff's eyes. */
export function takeCodeFromAddress() {
  const code = decodeURIComponent(location.hash.slice(1, 65));
  if (code !== "") history.replaceState(null, "", location.pathname);
  return code;
}

const sheet = (title, lead, ...children) =>
  h("section.sheet", { "aria-labelledby": "title" },
    h("h1", { id: "title" }, title), lead ? h("p.lead", {}, lead) : null, children);

export function activationScreen(desk) {
  const code = field(t("activate.code"), { autocapitalize: "characters", maxlength: 64, value: desk.codeOffered });
  const act = async () => {
    if (code.value === "") return t("activate.short");
    await desk.terminal.activate(code.value);
    desk.home();
    return null;
  };
  return {
    name: "activate",
    element: sheet(t("activate.title"), t("activate.lead"), form("form", { act, submit: t("activate.submit") }, code.element)),
    entered: () => code.input.focus(),
  };
}

export function signInScreen(desk, fault = null) {
  const isKiosk = desk.terminal.identity?.public_place === true;
  const number = field(t("sign.number"), { maxlength: 20, autocapitalize: "characters" });
  const pin = field(t("sign.pin"), { type: "password", inputmode: "numeric", maxlength: 12 });
  const act = async () => {
    if (!/^[0-9A-Za-z]{1,20}$/.test(number.value) || !/^\d{6,12}$/.test(pin.value)) return t("sign.short");
    const typed = pin.value;
    pin.input.value = "";
    desk.signedIn(await desk.terminal.signIn(number.value, typed));
    return null;
  };
  const ended = fault !== null && fault.code === "staff-not-signed-in";
  return {
    name: "sign-in",
    element: isKiosk ? sheet(t("sign.kiosk"), t("sign.kiosk.more"))
      : sheet(t("sign.title"), ended ? t("sign.ended") : null,
        fault !== null && !ended ? faultNotice(fault) : null,
        form("form", { act, submit: t("sign.submit") }, number.element, pin.element)),
    entered: () => number.input.focus(),
  };
}

export function openingScreen(desk) {
  const float = moneyField(t("open.float"), { value: "0.00" });
  const act = async () => {
    const fen = fenOf(float.value);
    if (fen === null) return t("amount.bad");
    desk.shift = await desk.terminal.openShift(fen);
    desk.home();
    return null;
  };
  const others = h("div.sheet-more", {});
  // Whoever only agrees to what others ask for needs no drawer, and so no shift.
  const drawAwaiting = async () => {
    try {
      const list = awaitingView(await desk.terminal.listAwaiting(), (one) => desk.show(decidingScreen(desk, one)));
      others.replaceChildren(list ?? "");
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      if (!desk.left(fault)) others.replaceChildren(faultNotice(fault, drawAwaiting));
    }
  };
  return {
    name: "open",
    element: sheet(t("open.title"), t("open.lead"),
      form("form", { act, submit: t("open.submit"), left: (fault) => desk.left(fault) }, float.element), others),
    entered: () => {
      float.input.select();
      return drawAwaiting();
    },
  };
}

/** One thing that waits for a second person, before that person, who keeps no drawer here. */
function decidingScreen(desk, { correction, posted }) {
  const view = giveBackView(desk, null, posted, { asked: correction, changed: () => {}, next: () => desk.home() });
  return {
    name: "deciding",
    element: h("section.deciding", {}, view.element),
    entered: () => view.begin(),
    leave: () => view.leave(),
  };
}
