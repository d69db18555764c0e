// What speaks for one person and what against, in words; and two values with what differs marked.

import { h } from "../element.js";
import { has, t } from "../language.js";

const FIELDS = ["number", "name", "born", "sex", "phone", "address", "local", "guardian", "family"];

/** A level in words, `""` where it says nothing. */
export function levelWords(field, level) {
  const key = `level.${field}.${level}`;
  return level === 0 || !has(key) ? "" : t(key);
}

/** Where the names are what speaks against, they speak for nothing. */
const BY_NAME = new Set(["twins", "names-differ", "relatives", "number-equal-name-different"]);

/** The evidence as two lists and a sum. */
export function evidenceView(found) {
  const sideOf = (field) => (field === "name" && BY_NAME.has(found.reason) ? -1 : found.levels[field]);
  const said = FIELDS.map((field) => [sideOf(field), levelWords(field, found.levels[field])]).filter(([, words]) => words !== "");
  const list = (kind, words) => h(`section.grounds.${kind}`, {}, h("h3", {}, t(`grounds.${kind}`)),
    words.length === 0 ? h("p.note", {}, t("grounds.none")) : h("ul", {}, words.map((one) => h("li", {}, one))));
  const veto = has(`veto.${found.reason}`) ? [t(`veto.${found.reason}`)] : [];
  return h("section.evidence", { "aria-labelledby": "evidence-title" },
    h("h2", { id: "evidence-title" }, t("evidence.title")),
    h("div.both-grounds", {},
      list("for", said.filter(([side]) => side > 0).map(([, words]) => words)),
      list("against", [...veto, ...said.filter(([side]) => side < 0).map(([, words]) => words)])),
    h("p.note", {}, t("evidence.sum", {
      total: found.total_bits, match: found.match_bits, review: found.review_bits, model: found.model })));
}

/** A text with what the other one lacks marked: between what both begin and end with. */
export function markedText(text, other) {
  const [mine, theirs] = [[...text], [...other]];
  let head = 0;
  while (head < mine.length && head < theirs.length && mine[head] === theirs[head]) head += 1;
  let tail = 0;
  while (tail < mine.length - head && tail < theirs.length - head
    && mine[mine.length - 1 - tail] === theirs[theirs.length - 1 - tail]) tail += 1;
  const middle = mine.slice(head, mine.length - tail).join("");
  return [mine.slice(0, head).join(""), middle === "" ? null : h("mark", {}, middle), mine.slice(mine.length - tail).join("")]
    .filter((one) => one !== "" && one !== null);
}
