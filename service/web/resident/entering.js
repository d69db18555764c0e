// Login and real-name registration.

import { h, button } from "../element.js";
import { t } from "../language.js";
import { faultNotice } from "../faults.js";
import { loggedOutNotice } from "./logout.js";
import { judgeNumber, tidyNumber } from "./id_number.js";

const inWeChat = () => /MicroMessenger/i.test(navigator.userAgent);

export function loginScreen(app) {
  const { config } = app.session;
  const notices = h("div", { "aria-live": "assertive" });
  const loggedOut = loggedOutNotice(app);
  if (app.ended) notices.append(faultNotice(app.ended));
  app.ended = null;
  const twin = config?.sandbox && config.login_twin_url;
  const enter = async () => {
    notices.replaceChildren();
    try {
      await app.session.login(await app.session.twinCode());
      await app.show();
    } catch (fault) {
      notices.replaceChildren(faultNotice(fault));
    }
  };
  const element = h("section.screen.login", { "aria-labelledby": "title" },
    h("div.hero", { "aria-hidden": "true" }, h("span.hero-frame", {}, h("span.hero-stroke"))),
    h("h1", { id: "title" }, t("login.title")),
    loggedOut,
    h("p.lead", {}, t("login.lead")),
    notices,
    twin ? button("button.button.is-main", t("login.wechat"), enter)
      : h("p.notice", {}, t("login.outside")),
    twin ? h("p.note", {}, t("login.twin")) : null,
    h("p.note", {}, t("login.keep")));
  if (!twin && inWeChat()) element.append(h("p.note", {}, t("login.outside.more")));
  return { element };
}

function field(app, name, attributes, advice) {
  const hint = h("p.hint", { id: `${name}-hint`, "aria-live": "polite" }, "\u00a0");
  const input = h("input.input", {
    id: name, name, value: app.draft[name], "aria-describedby": `${name}-hint`, ...attributes,
  });
  const judge = (strict) => {
    const { text, good, bad } = advice(input.value, strict);
    hint.textContent = text === "" ? "\u00a0" : text;
    hint.className = `hint${good ? " is-good" : ""}${bad ? " is-bad" : ""}`;
    if (bad) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    return !bad;
  };
  input.addEventListener("input", () => {
    app.draft[name] = input.value;
    judge(false);
  });
  input.addEventListener("blur", () => judge(input.value !== ""));
  judge(false);
  return { input, judge, element: h("div.field", {}, h("label", { for: name }, t(`form.${name}`)), input, hint) };
}

function numberAdvice(value, strict) {
  const { verdict, count } = judgeNumber(value);
  const wrong = ["chars", "long", "date", "check"].includes(verdict);
  const bad = wrong || (strict && verdict !== "right");
  return { text: t(`id.${verdict}`, { count }), good: verdict === "right", bad };
}

function nameAdvice(value, strict) {
  const bad = strict && (value.trim().length < 2 || value.trim().length > 50);
  return { text: bad ? t("form.name.bad") : "", good: false, bad };
}

function phoneAdvice(value, strict) {
  const bad = strict && value.trim() !== "" && !/^1\d{10}$/.test(tidyNumber(value));
  return { text: bad ? t("form.phone.bad") : "", good: false, bad };
}

export function registrationScreen(app) {
  const name = field(app, "name", { autocomplete: "name", required: true, maxlength: 50 }, nameAdvice);
  const idNo = field(app, "id_no", {
    autocomplete: "off", autocapitalize: "characters", spellcheck: "false", required: true,
    maxlength: 24, inputmode: "text",
  }, numberAdvice);
  const phone = field(app, "phone", { autocomplete: "tel-national", inputmode: "tel", maxlength: 15 }, phoneAdvice);
  const notices = h("div", { "aria-live": "assertive" });
  const submit = h("button.button.is-main", { type: "submit" }, t("form.submit"));
  let running = false;

  const send = async (event) => {
    event.preventDefault();
    if (running) return;
    const wrong = [name, idNo, phone].filter((part) => !part.judge(true));
    if (wrong.length > 0) {
      wrong[0].input.focus();
      return;
    }
    running = true;
    submit.setAttribute("aria-busy", "true");
    notices.replaceChildren();
    const person = { name: name.input.value.trim(), id_type: "01", id_no: tidyNumber(idNo.input.value) };
    const digits = tidyNumber(phone.input.value);
    if (digits !== "") person.phone = digits;
    try {
      await app.session.register(person);
      app.draft = { name: "", id_no: "", phone: "" };
      await app.go("code", true);
    } catch (fault) {
      notices.replaceChildren(faultNotice(fault));
    } finally {
      running = false;
      submit.removeAttribute("aria-busy");
    }
  };

  const element = h("section.screen", { "aria-labelledby": "title" },
    h("h1", { id: "title" }, t("form.title")),
    h("p.lead", {}, t("form.lead")),
    h("form.form", { novalidate: true, onsubmit: send }, name.element, idNo.element, phone.element, notices, submit));
  return { element, focus: name.input };
}
