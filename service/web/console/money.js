// Work items of money, to read: what ends each is done by command.

import { h } from "../element.js";
import { has, languageTag, t } from "../language.js";
import { timeText, yuan } from "../amounts.js";
import { ageText, countsView, facts, pagedList, statesView, wordsOf } from "./parts.js";

/** What a reason means; every fault of a statement without words of its own has those of its family. */
function meaningOf(item) {
  const keys = [item.reason, item.kind === "statement" ? "statement-*" : ""].map((word) => `meaning.${item.kind}.${word}`);
  const key = keys.find(has);
  return key === undefined ? item.meaning : t(key);
}

const valueText = (name, value) => (name.endsWith("_fen") ? `¥${yuan(value)}` : String(value));

export async function moneyScreen(desk, state = "open", reason = null) {
  const closed = state === "closed";
  const row = (item) => h("li", {}, h("details.item", {},
    h("summary", {},
      h("span.item-what", {}, `${wordsOf("kind", item.kind)} · ${meaningOf(item)}`),
      h("span.item-when", {}, item.closed_at === null
        ? t("item.open", { age: ageText(item.opened_at), at: timeText(item.opened_at) })
        : t("item.closed", { at: timeText(item.closed_at), closing: wordsOf("closing", item.closing) })),
      item.institution === null ? null : h("span.item-where", {}, item.institution)),
    facts(
      [t("money.reason"), h("code", {}, item.reason)],
      [t("money.ending"), h("span", { lang: "en" }, item.ending.replaceAll("`", ""))],
      [t("money.item"), h("code", {}, item.item)],
      ...Object.entries(item.evidence).filter(([, value]) => value !== null)
        .map(([name, value]) => [name, valueText(name, value)]))));
  const read = (after) => desk.session.listMoney({ closed, reason, after });
  const { element, first } = await pagedList(read, row, t(closed ? "queue.none-closed" : "money.empty"));
  return h("section.page", {}, h("h1", {}, t("nav.money")),
    languageTag() === "en" ? null : h("p.note", {}, t("money.words")),
    statesView("money", closed), closed ? null : countsView(first.open_counts, "money", reason), element);
}
