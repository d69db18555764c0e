// The stewards' figures: what waits now, and what came and went day by day.

import { h } from "../element.js";
import { t } from "../language.js";
import { ageText, countsView, spanText } from "./parts.js";

const COLUMNS = ["opened", "closed", "median_open", "automatic_merges", "merges", "unmerges"];
const DAYS = [14, 31, 92];

export async function figuresScreen(desk, days = "14") {
  const found = await desk.session.readFigures(days);
  const oldest = found.open_counts.map((one) => one.oldest_at).sort()[0];
  const open = found.open_counts.reduce((sum, one) => sum + one.count, 0);
  const big = (words, value) => h("div.big", {}, h("dt", {}, words), h("dd", {}, value));
  const cell = (day, name) => (name !== "median_open" ? String(day[name])
    : day.median_open_s === null ? "—" : spanText(day.median_open_s));
  const most = Math.max(1, ...found.days.map((day) => Math.max(day.opened, day.closed)));
  const row = (day) => h("tr", {}, h("th", { scope: "row" }, day.day),
    COLUMNS.map((name) => h("td", { "data-label": t(`figure.${name}`) },
      name === "opened" || name === "closed" ? h("meter", { min: 0, max: most, value: day[name], "aria-hidden": "true" }) : null,
      h("span", {}, cell(day, name)))));
  return h("section.page", {}, h("h1", {}, t("nav.figures")),
    h("dl.bigs", {}, big(t("figure.open"), String(open)), big(t("figure.oldest"), oldest === undefined ? "—" : ageText(oldest))),
    desk.session.may("queue") ? countsView(found.open_counts, "queue", undefined) : null,
    h("p.states", {}, DAYS.map((count) => h("a", {
      href: `#/figures/${count}`, "aria-current": String(count) === days ? "true" : null }, t("figure.days", { count })))),
    h("table.figures", {}, h("caption.unseen", {}, t("nav.figures")),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("figure.day")),
        COLUMNS.map((name) => h("th", { scope: "col" }, t(`figure.${name}`))))),
      h("tbody", {}, [...found.days].reverse().map(row))));
}
