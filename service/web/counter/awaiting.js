// What waits for a second person: a list to choose from, for whoever is signed in.

import { button, h } from "../element.js";
import { t } from "../language.js";
import { timeText, yuan } from "../amounts.js";

/** A line to press: `{title, note, fen, act}`, with a badge where it has one. */
export function choice({ title, note, fen, act, badge = null }) {
  const choose = button("button.choice", "", act);
  choose.append(h("span", {}, h("strong", {}, title), badge && h("span.badge.is-busy", {}, badge), h("br"), h("span.note", {}, note)),
    h("strong.amount", {}, `¥${yuan(fen)}`));
  return choose;
}

/** The list of `{correction, posted}`, each opened by `decide(one)`; null where nothing waits. */
export function awaitingView(awaiting, decide) {
  const row = (one) => h("li", {}, choice({
    title: t("awaiting.one", { staff: one.correction.asked_by, reason: one.correction.reason }),
    note: `${one.posted.bill_no} · ${timeText(one.correction.asked_at)}`,
    fen: one.correction.amount_fen, act: () => decide(one),
  }));
  return awaiting.length === 0 ? null
    : h("section.awaiting", {}, h("h2", {}, t("awaiting.title")), h("ul.stack", {}, awaiting.map(row)));
}
