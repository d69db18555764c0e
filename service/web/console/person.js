// A person of today: the golden view with where each value comes from, records, rulings, changes.

import { h } from "../element.js";
import { t } from "../language.js";
import { timeText } from "../amounts.js";
import { facts, reasoned, recordWords, wordsOf } from "./parts.js";

function goldenView(person) {
  const byId = new Map(person.records.map((record) => [record.record, record]));
  const from = (id) => {
    const record = byId.get(id);
    return record === undefined ? null : h("span.from", {}, t("golden.from", { record: recordWords(record) }));
  };
  const row = (field, text) => (text === null || text === "" ? null
    : [t(`field.${field}`), h("span.value", {}, text), from(person.provenance[field])]);
  const former = (field, values) => (values.length === 0 ? null
    : [t(`field.${field}`), h("ul", {}, values.map((one) => h("li", {}, h("span.value", {}, one.text), from(one.record))))]);
  return facts(
    row("name", person.name),
    row("id_no", person.id_no === null ? null : `${wordsOf("id_type", person.id_type)} ${person.id_no}`),
    row("sex", person.sex === "U" ? null : t(`sex.${person.sex}`)),
    row("birth_date", person.birth_date),
    row("phone", person.phone),
    former("former_names", person.former_names),
    former("former_phones", person.former_phones),
  );
}

function recordsView(person) {
  const more = person.record_count - person.records.length;
  return h("details", {}, h("summary", {}, t("person.records", { count: person.record_count })),
    h("ul.records", {}, person.records.map((record) => h("li", {},
      h("span.value", {}, record.name === "" ? t("value.none") : record.name), " ", h("span.note", {}, recordWords(record))))),
    more > 0 ? h("p.note", {}, t("person.more", { count: more })) : null);
}

function changesView(desk, person, done) {
  if (person.changes.length === 0) return null;
  const form = reasoned(desk, done);
  const { session } = desk;
  const row = (change) => {
    const by = change.by === "system" ? t("by.system") : change.by;
    const words = t(`change.${change.kind}`, { at: timeText(change.changed_at), by, because: change.by === "system" ? wordsOf("matcher", change.because) : change.because });
    const buttons = !change.stands ? [h("span.badge", {}, t("change.undone"))] : [
      change.kind === "MERGE" ? form.button(t("act.unmerge"), (because) => session.unmerge(change.change, because), "unmerged") : null,
      form.button(t("act.undo"), (because) => session.undo(change.change, because), "undone"),
    ].filter((made) => made !== null);
    return h("li.change", { "data-stands": change.stands }, h("span", {}, words), h("span.choices", {}, buttons));
  };
  const rows = person.changes.map(row);
  const canAct = person.changes.some((change) => change.stands);
  return h("section.changes", {}, h("h3", {}, t("person.changes")),
    canAct ? form.element : null, h("ul", {}, rows));
}

/** The person as a part of a screen; `done(name)` is called after an act. */
export function personView(desk, person, done) {
  const ruled = person.rulings.map((one) => h("li", {}, t(`ruled.${one.verdict}`, {
    by: one.by, at: timeText(one.ruled_at), because: one.because })));
  return h("section.person-card", {},
    h("h2", {}, t("person.title")), h("p.note", {}, t("person.lead")),
    goldenView(person), recordsView(person),
    ruled.length === 0 ? null : h("section", {}, h("h3", {}, t("person.rulings")), h("ul", {}, ruled)),
    changesView(desk, person, done));
}

export async function personScreen(desk, record) {
  const screen = h("section.page", {});
  const fill = async (did = null) => {
    const person = await desk.session.readPerson(record);
    screen.replaceChildren(h("p", {}, h("a", { href: "#/queue" }, t("queue.back"))), h("h1", {}, t("nav.record")),
      did === null ? "" : h("p.notice", { role: "status" }, t(`did.${did}`)), personView(desk, person, fill));
  };
  await fill();
  return screen;
}
