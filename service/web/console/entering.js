// The sign-in: name, password, and the code that the authenticator app shows now.

import { h } from "../element.js";
import { t } from "../language.js";
import { Fault } from "../exchange.js";
import { faultNotice } from "../faults.js";
import { field, form } from "../counter/parts.js";

const NAME = /^[a-z][a-z0-9.-]{1,39}$/;

export function signInScreen(desk, fault = null) {
  const name = field(t("sign.name"), { maxlength: 40, autocomplete: "username", autocapitalize: "none", "data-first": true });
  const password = field(t("sign.password"), { type: "password", maxlength: 100, autocomplete: "current-password" });
  const code = field(t("sign.code"), { inputmode: "numeric", maxlength: 7, autocomplete: "one-time-code" });
  const notices = h("div.notices", { "aria-live": "assertive" });
  const act = async () => {
    const digits = code.value.replaceAll(" ", "").normalize("NFKC");
    if (!NAME.test(name.value) || password.value === "" || !/^\d{6}$/.test(digits)) return t("sign.short");
    const typed = password.value;
    code.input.value = "";
    try {
      await desk.session.signIn(name.value, typed, digits);
    } catch (refused) {
      if (!(refused instanceof Fault) || refused.code !== "console-locked") throw refused;
      return t("sign.locked", { minutes: Math.ceil(refused.wait_s / 60), seconds: refused.wait_s });
    }
    password.input.value = "";
    await desk.draw();
    return null;
  };
  if (fault !== null) notices.append(faultNotice(fault));
  return h("section.sheet", { "aria-labelledby": "title" },
    h("h1", { id: "title" }, t("sign.title")), h("p.lead", {}, t("sign.lead")), notices,
    form("form", { act, submit: t("sign.submit") }, name.element, password.element, code.element));
}
