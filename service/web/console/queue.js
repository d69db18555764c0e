// The queue: questions about who is one person, the oldest first; or those that were decided.

import { h } from "../element.js";
import { t } from "../language.js";
import { timeText } from "../amounts.js";
import { ageText, countsView, pagedList, statesView, wordsOf } from "./parts.js";

export async function queueScreen(desk, state = "open", reason = null) {
  const closed = state === "closed";
  const may = desk.session.may("persons");
  const row = (item) => {
    const words = [
      h("span.item-what", {}, wordsOf("reason", item.reason)),
      h("span.item-when", {}, item.closed_at === null
        ? t("item.open", { age: ageText(item.opened_at), at: timeText(item.opened_at) })
        : t("item.closed", { at: timeText(item.closed_at), closing: wordsOf("closing", item.closing) })),
      item.institution === null ? null : h("span.item-where", {}, item.institution),
    ];
    const link = may ? h("a.item", { href: `#/question/${encodeURIComponent(item.item)}` }, words) : h("div.item", {}, words);
    return h("li", {}, link);
  };
  const read = (after) => desk.session.listQuestions({ closed, reason, after });
  const { element, first } = await pagedList(read, row, t(closed ? "queue.none-closed" : "queue.empty"));
  return h("section.page", {}, h("h1", {}, t("nav.queue")), statesView("queue", closed),
    closed ? null : countsView(first.open_counts, "queue", reason), element,
    may ? findForm() : null);
}

/** A record by its opaque number, as other systems and our commands name it. */
function findForm() {
  const input = h("input.input", { id: "find", maxlength: 40, autocomplete: "off", spellcheck: "false" });
  const find = (event) => {
    event.preventDefault();
    if (input.value.trim() !== "") location.hash = `#/record/${encodeURIComponent(input.value.trim())}`;
  };
  return h("form.find", { onsubmit: find }, h("label", { for: "find" }, t("find.record")), input,
    h("button.button.is-quiet", { type: "submit" }, t("find.submit")));
}
