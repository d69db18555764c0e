// Codes on paper: made, printed, listed, withdrawn. They say who somebody is and nothing else.

import { h, button, pictureOf } from "../element.js";
import { t } from "../language.js";
import { dayText } from "../amounts.js";
import { Fault, serverNow } from "../exchange.js";
import { faultNotice } from "../faults.js";
import { ask } from "./asking.js";

/** What stands on the paper and in the list, so that a sheet is told from the others. */
const numberOf = (printed) => printed.printed_code_id.slice(-6);

/** The sheet as it is shown and printed. */
function paperView(app, printed) {
  const fact = (key, value) => h("div.fact", {}, h("dt", {}, t(key)), h("dd", {}, value));
  return h("section.paper.prints", { "aria-label": t("printed.paper") },
    h("div.paper-symbol", {}, pictureOf(printed.svg, t("printed.picture"))),
    h("div.paper-words", {},
      h("p.paper-title", {}, t("printed.paper")),
      h("p.paper-name", {}, app.session.me?.masked_name ?? ""),
      h("dl.facts", {}, fact("printed.number", numberOf(printed)), fact("printed.until", dayText(printed.expires_at))),
      h("p.paper-note", {}, t("printed.only"))));
}

/** `size` is `sheet` or `card`. */
function printAs(paper, size) {
  paper.classList.toggle("is-card", size === "card");
  window.print();
}

/** The list, and the sheets that can be made, are the system's. */
const listFault = (fault) =>
  (fault.kind === "offline" ? Object.assign(new Fault("offline"), { code: "offline-printed" }) : fault);

export function printedScreen(app) {
  const made = h("div.stack.printing", { "aria-live": "polite" });
  const list = h("div.stack.question", { "aria-live": "polite" }, h("p.note", {}, t("pay.wait")));
  // A sheet on the screen is what is printed, whoever starts the printing.
  const unprint = () => document.body.classList.remove("has-paper");

  const draw = async () => {
    try {
      const printed = (await app.session.listPrinted())
        .filter((one) => one.state === "LIVE" && Date.parse(one.expires_at) > serverNow());
      list.replaceChildren(printed.length === 0 ? h("p.note", {}, t("printed.none"))
        : h("ul.phones", {}, printed.map(rowOf)));
      start.hidden = false;
    } catch (fault) {
      start.hidden = true;
      list.replaceChildren(faultNotice(listFault(fault), draw));
    }
  };
  const withdraw = async (printed) => {
    try {
      await app.session.withdrawPrinted(printed.printed_code_id);
      if (made.dataset.printed === printed.printed_code_id) {
        made.replaceChildren();
        unprint();
      }
      await draw();
    } catch (fault) {
      list.replaceChildren(faultNotice(listFault(fault), draw));
    }
  };
  const rowOf = (printed) => {
    const number = numberOf(printed);
    const start = button("button.button.is-quiet", t("printed.withdraw"), async () => ask(list, {
      what: t("printed.withdraw.what", { number }),
      more: t("printed.withdraw.more"),
      sure: t("printed.withdraw.sure"),
      act: () => withdraw(printed),
      back: draw,
    }));
    return h("li.phone", {},
      h("span.phone-name", {}, t("printed.row", { number })),
      h("span.phone-more", {}, t("printed.days", { from: dayText(printed.issued_at), until: dayText(printed.expires_at) })),
      start);
  };
  const make = async () => {
    try {
      const printed = await app.session.makePrinted();
      const paper = paperView(app, printed);
      made.dataset.printed = printed.printed_code_id;
      made.replaceChildren(paper,
        h("p.note", {}, t("printed.once")),
        h("div.ways", {},
          button("button.button.is-main", t("printed.print.sheet"), () => printAs(paper, "sheet")),
          button("button.button.is-quiet", t("printed.print.card"), () => printAs(paper, "card"))));
      document.body.classList.add("has-paper");
      await draw();
      paper.scrollIntoView({ block: "start" });
    } catch (fault) {
      made.replaceChildren(faultNotice(listFault(fault), make));
    }
  };
  const start = button("button.button.is-main", t("printed.make"), make);
  start.hidden = true;
  const element = h("section.screen", { "aria-labelledby": "title" },
    h("h1", { id: "title" }, t("printed.title")),
    h("p.lead", {}, t("printed.lead")),
    made,
    start,
    h("h2", {}, t("printed.list")),
    list,
    h("a.button.is-plain", { href: "#/code" }, t("pay.home")));
  return { element, entered: draw, leave: unprint, found: draw };
}
