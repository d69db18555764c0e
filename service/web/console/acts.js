// What the platform's own staff did: who looked at whom, ruled, signed in. For the auditor.

import { h } from "../element.js";
import { t } from "../language.js";
import { timeText } from "../amounts.js";
import { pagedList, wordsOf } from "./parts.js";

const KINDS = ["record.looked-at", "ruling.made", "operator.signed-in", "operator.sign-in-refused"];

export async function actsScreen(desk, action = null) {
  const row = (act) => h("li", {}, h("div.item", {},
    h("span.item-when", {}, timeText(act.at)), h("span.item-what", {}, act.by),
    h("span", {}, wordsOf("action", act.action)),
    act.operator === null ? null : h("span.item-what", {}, act.operator),
    act.record === null ? null : h("code", {}, act.record),
    act.because === null ? null : h("span.item-where", {}, act.because)));
  const read = (after) => desk.session.listActs({ action, after });
  const { element } = await pagedList(read, row, t("acts.empty"));
  const link = (words, to, isShown) => h("a", { href: to, "aria-current": isShown ? "true" : null }, words);
  return h("section.page", {}, h("h1", {}, t("nav.acts")), h("p.note", {}, t("acts.lead")),
    h("p.states", {}, link(t("acts.all"), "#/acts", action === null),
      KINDS.map((kind) => link(wordsOf("action", kind), `#/acts/${kind}`, kind === action))), element);
}
