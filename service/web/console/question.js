// One question: two records side by side, what speaks for and against, and the steward's word.

import { button, h } from "../element.js";
import { has, t } from "../language.js";
import { timeText } from "../amounts.js";
import { ageText, reasoned, wordsOf } from "./parts.js";
import { evidenceView, levelWords, markedText } from "./evidence.js";
import { personView } from "./person.js";

const numberText = (record) => [record.id_no ?? "", record.id_no !== null && record.whose !== "own" ? t(`whose.${record.whose}`) : ""]
  .filter((text) => text !== "").join(" ");

/** Rows of the comparison: the words' key, the text of a record, and the evidence's field. */
const ROWS = [
  ["name", (one) => one.name, "name"],
  ["former_name", (one) => one.former_name],
  ["sex", (one) => (one.sex === "U" ? "" : t(`sex.${one.sex}`)), "sex"],
  ["birth_date", (one) => one.birth_date, "born"],
  ["id_type", (one) => (one.id_no === null ? "" : wordsOf("id_type", one.id_type))],
  ["id_no", numberText, "number"],
  ["phone", (one) => one.phone, "phone"],
  ["address", (one) => one.address, "address"],
  ["guardian_name", (one) => one.guardian_name, "guardian"],
  ["guardian_id", (one) => one.guardian_id],
  ["contact_name", (one) => one.contact_name],
  ["local_id", (one) => one.local_id, "local"],
  ["nationality", (one) => one.nationality],
  ["ethnicity", (one) => one.ethnicity],
];
/** What tells where a record comes from differs of itself, and is not marked. */
const ORIGIN = [
  ["source", (one) => t(`source.${one.source}`)],
  ["institution", (one) => one.institution],
  ["received_at", (one) => timeText(one.received_at)],
];

function comparisonTable(question) {
  const { one, other } = question;
  const levels = question.evidence.levels;
  const labels = [t("record.one"), t("record.other")];
  const cell = (label, content) => h("td", { "data-label": label }, content);
  const row = ([key, textOf, field]) => {
    const [left, right] = [textOf(one) ?? "", textOf(other) ?? ""];
    if (left === "" && right === "") return null;
    const both = left !== "" && right !== "";
    const kind = !both ? "silent" : left === right ? "same" : "different";
    const words = (field && levelWords(field, levels[field])) || t(`differs.${kind}`);
    const shown = (text, beside) => (text === "" ? h("span.note", {}, t("value.none")) : kind === "different" ? markedText(text, beside) : text);
    return h(`tr.is-${kind}`, {}, h("th", { scope: "row" }, t(`field.${key}`)),
      cell(labels[0], shown(left, right)), cell(labels[1], shown(right, left)),
      h("td.verdict", {}, h("span.sign", { "aria-hidden": "true" }, { same: "=", different: "≠", silent: "·" }[kind]), words));
  };
  const origin = ([key, textOf]) => (!textOf(one) && !textOf(other) ? null : h("tr.is-origin", {}, h("th", { scope: "row" }, t(`field.${key}`)),
    cell(labels[0], textOf(one) ?? t("value.none")), cell(labels[1], textOf(other) ?? t("value.none")), h("td", {})));
  return h("table.compare", {}, h("caption.unseen", {}, t("compare.caption")),
    h("thead", {}, h("tr", {}, h("td", {}), labels.map((label) => h("th", { scope: "col" }, label)), h("th", { scope: "col" }, t("compare.verdict")))),
    h("tbody", {}, ROWS.map(row), ORIGIN.map(origin)));
}

/** What stands about the two today: one person or two, and by whose word. */
function standing(question) {
  const { one, other, ruling } = question;
  const now = t(one.person === other.person ? "now.one" : "now.two");
  if (ruling === null) return h("p.standing", {}, now);
  return h("p.standing", {}, now, " ", t(`ruled.${ruling.verdict}`, {
    by: ruling.by, at: timeText(ruling.ruled_at), because: ruling.because }));
}

function decideForm(desk, question, done) {
  const { one, other, ruling } = question;
  const form = reasoned(desk, done);
  const { session } = desk;
  const rule = (verdict) => (because) => session.rule(one.record, other.record, verdict, because);
  const isOne = one.person === other.person;
  const buttons = ruling === null ? [
    isOne ? null : form.button(t("act.merge"), rule("same"), "merged", "is-choice"),
    form.button(t(isOne ? "act.part" : "act.apart"), rule("different"), "apart", "is-choice"),
  ] : [form.button(t("act.withdraw"), (because) => session.withdraw(one.record, other.record, because), "withdrawn")];
  return h("section.decide", { "aria-labelledby": "decide-title" }, h("h2", { id: "decide-title" }, t("decide.title")),
    standing(question), form.element, h("div.choices", {}, buttons.filter((made) => made !== null)));
}

function closeForm(desk, question, done) {
  const form = reasoned(desk, done);
  return h("section.decide", {}, h("h2", {}, t("decide.title")), form.element,
    h("div.choices", {}, form.button(t("act.close"), (because) => desk.session.close(question.item, because), "closed", "is-choice")));
}

/** On to the oldest question that is open, or to the empty queue. */
async function goOn(desk) {
  const { items } = await desk.session.listQuestions();
  location.hash = items.length === 0 ? "#/queue" : `#/question/${encodeURIComponent(items[0].item)}`;
}

export async function questionScreen(desk, item) {
  const screen = h("section.page.question", {});
  const fill = async (did = null) => {
    const question = await desk.session.readQuestion(item);
    const isOpen = question.closed_at === null;
    const reason = has(`ask.${question.reason}`) ? t(`ask.${question.reason}`) : wordsOf("reason", question.reason);
    const parts = [
      h("p", {}, h("a", { href: "#/queue" }, t("queue.back"))),
      h("h1", {}, reason),
      h("p.note", {}, isOpen ? t("item.open", { age: ageText(question.opened_at), at: timeText(question.opened_at) })
        : t("item.closed", { at: timeText(question.closed_at), closing: wordsOf("closing", question.closing) })),
      did === null ? null : h("div.notice", { role: "status" }, h("p", {}, t(`did.${did}`)),
        button("button.button.is-quiet.to-next", t("queue.next"), () => goOn(desk))),
      question.one === null ? null : comparisonTable(question),
      question.evidence === null ? null : evidenceView(question.evidence),
    ];
    if (question.one !== null) parts.push(decideForm(desk, question, fill));
    else if (question.by_hand && isOpen) parts.push(closeForm(desk, question, fill));
    parts.push(h("div.persons", {}, question.persons.map((person) => personView(desk, person, fill))));
    screen.replaceChildren(...parts.filter((made) => made !== null));
    if (did !== null) screen.querySelector(".to-next").focus();
  };
  await fill();
  return screen;
}
