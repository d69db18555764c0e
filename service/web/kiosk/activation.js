// First start: staff type the activation code. Later: a key the system no longer takes.

import { h, button } from "../element.js";
import { t } from "../language.js";
import { faultNotice } from "../faults.js";

/** The code in the address (`/kiosk#CODE`), taken out of it: it works once, for staff's eyes. */
export function takeCodeFromAddress() {
  const code = decodeURIComponent(location.hash.slice(1, 65));
  if (code !== "") history.replaceState(null, "", location.pathname);
  return code;
}

export function activationScreen(kiosk) {
  const input = h("input.input", {
    id: "activation-code", autocomplete: "off", autocapitalize: "characters", spellcheck: "false", maxlength: 64,
    value: kiosk.codeOffered,
  });
  const notices = h("div.notices", { "aria-live": "assertive" });
  const submit = h("button.button.is-main", { type: "submit" }, t("activate.submit"));
  let running = false;
  const send = async (event) => {
    event.preventDefault();
    if (running) return;
    const code = input.value.trim();
    if (code === "") {
      notices.replaceChildren(h("p.notice", { role: "alert" }, t("activate.short")));
      input.focus();
      return;
    }
    running = true;
    try {
      await kiosk.terminal.activate(code);
      kiosk.home();
    } catch (fault) {
      notices.replaceChildren(faultNotice(fault));
    } finally {
      running = false;
    }
  };
  return {
    element: h("section.sheet.is-wide", { "aria-labelledby": "title" },
      h("div.sheet-say", {},
        h("h1", { id: "title" }, t("activate.title")),
        h("p.lead", {}, t("activate.lead")),
        h("p.note", {}, t("activate.note"))),
      h("form.form", { novalidate: true, onsubmit: send },
        h("label", { for: "activation-code" }, t("activate.code")), input, notices, submit)),
    entered: () => {
      kiosk.scanner.listening = false;
      input.focus();
    },
    leave: () => { kiosk.scanner.listening = true; },
    redraw: () => kiosk.show(activationScreen(kiosk)),
  };
}

export function refusedScreen(kiosk) {
  return {
    element: h("section.sheet", { "aria-labelledby": "title", role: "alert" },
      h("h1", { id: "title" }, t("activate.refused")),
      h("p.lead", {}, t("activate.refused.more")),
      button("button.button.is-main", t("again"), async () => kiosk.home()),
      button("button.button.is-quiet", t("activate.again"), async () => kiosk.show(activationScreen(kiosk)))),
    redraw: () => kiosk.refused(),
  };
}
