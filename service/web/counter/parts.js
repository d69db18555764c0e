// Small parts of the counter's screens: amounts as they are typed, fields, forms that run once.

import { h } from "../element.js";
import { t } from "../language.js";
import { timeText, yuan } from "../amounts.js";
import { Fault } from "../exchange.js";
import { faultNotice } from "../faults.js";

const YUAN = /^(\d{1,9})(?:[.。](\d{1,2}))?$/;

/** `12.3` as 1230; null for what is no amount. */
export function fenOf(text) {
  const found = YUAN.exec(text.normalize("NFKC").replaceAll(",", "").trim());
  return found === null ? null : Number(found[1]) * 100 + Number((found[2] ?? "").padEnd(2, "0"));
}

const QUANTITY = /^(\d{1,8})(?:[.。](\d{1,4}))?$/;

/** `1.5` as 15000, as in a bill; null for what is no quantity. */
export function quantityOf(text) {
  const found = QUANTITY.exec(text.normalize("NFKC").trim());
  return found === null ? null : Number(found[1]) * 10_000 + Number((found[2] ?? "").padEnd(4, "0"));
}

/** Money that waits at the counters, whosever it is: whoever has it comes and is scanned. */
export function waitingView(refunds, words) {
  const row = (one) => h("li.row.is-apart", {},
    h("span", {}, t("waiting.of", { bill: one.bill_no, at: timeText(one.asked_at) }),
      one.overdue ? h("span.badge.is-late", {}, t("waiting.late")) : null),
    h("span.amount", {}, `${t(`way.${one.tender}`)} ¥${yuan(one.amount_fen)}`));
  return refunds.length === 0 ? null
    : h("section.all-waiting", {}, h("h2", {}, words), h("ul.stack", {}, refunds.map(row)));
}

let fields = 0;

/** A labelled input: `{element, input, value}`. */
export function field(words, attributes = {}) {
  fields += 1;
  const id = `field-${fields}`;
  const input = h("input.input", { id, autocomplete: "off", spellcheck: "false", ...attributes });
  return {
    input,
    element: h("div.field", {}, h("label", { for: id }, words), input),
    get value() { return input.value.trim(); },
  };
}

export const moneyField = (words, attributes = {}) => field(words, { inputmode: "decimal", maxlength: 13, ...attributes });

/** A form that runs one thing at a time and shows what went wrong. `act()` may give words. */
export function form(name, { act, submit, left }, ...children) {
  const notices = h("div.notices", { "aria-live": "assertive" });
  const button = h("button.button.is-main", { type: "submit" }, submit);
  let running = false;
  const send = async (event) => {
    event.preventDefault();
    if (running) return;
    running = true;
    button.setAttribute("aria-busy", "true");
    notices.replaceChildren();
    try {
      const refused = await act();
      if (typeof refused === "string") notices.replaceChildren(h("p.notice.is-fault", { role: "alert" }, refused));
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      if (left?.(fault)) return;
      notices.replaceChildren(faultNotice(fault));
    } finally {
      running = false;
      button.removeAttribute("aria-busy");
    }
  };
  return h(`form.${name}`, { novalidate: true, onsubmit: send }, children, notices, button);
}
