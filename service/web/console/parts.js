// Small parts of the console's screens: ages, facts, lists that go on, acts that need a reason.

import { button, h } from "../element.js";
import { has, t } from "../language.js";
import { Fault, serverNow } from "../exchange.js";
import { faultNotice } from "../faults.js";
import { timeText } from "../amounts.js";
import { field } from "../counter/parts.js";

/** `25` minutes, `7` hours, `3` days: how long something waits, or took. */
export function spanText(seconds) {
  const minutes = Math.floor(Math.max(seconds, 0) / 60);
  if (minutes < 120) return t("age.minutes", { count: minutes });
  return minutes < 2_880 ? t("age.hours", { count: Math.floor(minutes / 60) })
    : t("age.days", { count: Math.floor(minutes / 1_440) });
}

export const ageText = (since) => spanText((serverNow() - Date.parse(since)) / 1_000);

/** The words of a key, or the plain word where the catalogue has none. */
export const wordsOf = (family, word) => (has(`${family}.${word}`) ? t(`${family}.${word}`) : word);

export const facts = (...rows) => h("dl.facts", {}, rows.filter((row) => row !== null).map(([words, ...values]) =>
  h("div.fact", {}, h("dt", {}, words), h("dd", {}, values))));

/** A record by what tells it from others: where it came from, and when. */
export const recordWords = (record) => t("record.words", {
  source: t(`source.${record.source}`), place: record.institution ?? "", at: timeText(record.received_at) });

/** A list with a button for more. `read(after)` gives `{items, next}`, `row(item)` an element. */
export async function pagedList(read, row, empty) {
  const list = h("ul.items", {});
  const more = h("div.more", {});
  const add = async (after) => {
    const page = await read(after);
    list.append(...page.items.map(row));
    more.replaceChildren(page.next === null ? "" : button("button.button.is-quiet", t("list.more"), async () => {
      try {
        await add(page.next);
      } catch (fault) {
        if (!(fault instanceof Fault)) throw fault;
        more.prepend(faultNotice(fault));
      }
    }));
    return page;
  };
  const first = await add(null);
  const element = first.items.length === 0 ? h("p.notice", { role: "status" }, empty) : h("div.listed", {}, list, more);
  return { element, first };
}

/** What is open, by reason; each leads to a list of that reason alone. */
export function countsView(counts, screen, reason) {
  const link = (words, to, isShown) => h("a.count", { href: to, "aria-current": isShown ? "true" : null }, words);
  const all = counts.reduce((sum, one) => sum + one.count, 0);
  return h("nav.counts", { "aria-label": t("counts.label") },
    link(t("counts.all", { count: all }), `#/${screen}`, reason === null),
    counts.map((one) => link(t("counts.one", {
      reason: has(`meaning.${one.kind}.${one.reason}`) ? t(`meaning.${one.kind}.${one.reason}`) : wordsOf("reason", one.reason), count: one.count, age: ageText(one.oldest_at) }),
    `#/${screen}/open/${encodeURIComponent(one.reason)}`, reason === one.reason)));
}

/** Open or decided: two links. */
export const statesView = (screen, closed) => h("p.states", {},
  h("a", { href: `#/${screen}`, "aria-current": closed ? null : "true" }, t("state.open")),
  h("a", { href: `#/${screen}/closed`, "aria-current": closed ? "true" : null }, t("state.closed")));

let reasons = 0;

/** A reason to type, and buttons that act with it: `{element, button(words, act, name)}`. */
export function reasoned(desk, done) {
  reasons += 1;
  const because = field(t("because"), { maxlength: 200, "aria-describedby": `because-${reasons}` });
  const notices = h("div.notices", { "aria-live": "assertive" });
  let running = false;
  const run = async (act, name) => {
    if (running) return;
    if (because.value === "") {
      notices.replaceChildren(h("p.notice.is-fault", { role: "alert" }, t("because.short")));
      because.input.focus();
      return;
    }
    running = true;
    notices.replaceChildren();
    try {
      await act(because.value);
      await done(name);
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      if (desk.left(fault)) await desk.draw();
      else notices.replaceChildren(faultNotice(fault));
    } finally {
      running = false;
    }
  };
  return {
    element: h("div.because", {}, because.element, h("p.note", { id: `because-${reasons}` }, t("because.note")), notices),
    button: (words, act, name, kind = "is-quiet") => button(`button.button.${kind}`, words, () => run(act, name)),
  };
}
