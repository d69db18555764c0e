// Who may sign in to the console, to read: it is changed by command.

import { h } from "../element.js";
import { t } from "../language.js";
import { timeText } from "../amounts.js";

export async function operatorsScreen(desk) {
  const found = await desk.session.listOperators();
  const state = (one) => [
    t(`operator.${one.state}`),
    one.signed_in ? t("operator.signed-in") : null,
    one.locked_until === null ? null : t("operator.locked", { at: timeText(one.locked_until) }),
  ].filter((words) => words !== null).join(t("join"));
  return h("section.page", {}, h("h1", {}, t("nav.operators")), h("p.note", {}, t("operators.lead")),
    h("ul.items", {}, found.map((one) => h("li", {}, h("div.item", {},
      h("span.item-what", {}, one.name), h("span.item-where", {}, one.roles.map((role) => t(`role.${role}`)).join(t("join"))),
      h("span.item-when", {}, state(one)))))));
}
