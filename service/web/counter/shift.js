// The shift: what the books expect, what was taken and given, closing and hand-over.

import { h } from "../element.js";
import { t } from "../language.js";
import { timeText, yuan } from "../amounts.js";
import { Fault } from "../exchange.js";
import { faultNotice } from "../faults.js";
import { fenOf, field, form, moneyField, waitingView } from "./parts.js";

const signed = (text) => (text.startsWith("-") ? negative(fenOf(text.slice(1))) : fenOf(text));
const negative = (fen) => (fen === null ? null : -fen);

function sums(report) {
  const row = (key, fen) => h("div.split-row", {}, h("dt", {}, t(`shift.${key}`)), h("dd.amount", {}, `¥${yuan(fen)}`));
  return h("dl.split-list", {},
    row("float", report.shift.float_fen),
    row("cash.taken", report.cash.taken_fen), row("cash.given", report.cash.given_fen),
    row("expected_cash", report.expected_cash_fen),
    row("pos.taken", report.pos.taken_fen), row("pos.given", report.pos.given_fen),
    row("expected_pos", report.expected_pos_fen),
    ...(report.counted_cash_fen === undefined ? []
      : [row("counted_cash", report.counted_cash_fen), row("counted_pos", report.counted_pos_fen)]));
}

function entries(report) {
  const head = ["at", "what", "way", "amount"].map((key) => h("th", { scope: "col" }, t(`entry.${key}`)));
  const body = report.entries.map((one) => h("tr", {},
    h("th", { scope: "row" }, timeText(one.made_at)),
    h("td", {}, one.state === "DONE" ? t(`entry.${one.direction}`) : t(`entry.${one.state}`)),
    h("td", {}, `${t(`way.${one.tender}`)}${one.slip_no ? ` ${one.slip_no}` : ""}`),
    h("td.amount", {}, `${one.direction === "GIVE" ? "−" : ""}${yuan(one.amount_fen)}`)));
  return h("table.lines", {}, h("caption.unseen", {}, t("entry.caption")),
    h("thead", {}, h("tr", {}, head)), h("tbody", {}, body));
}

export function shiftScreen(desk) {
  const books = h("div.shift-books", {}, h("p.note", {}, t("check.wait")));
  const ends = h("div.shift-ends", {});
  const left = (fault) => desk.left(fault);

  const closed = (report, next) => {
    desk.shift = null;
    books.replaceChildren(h("h2", {}, t("shift.closed")), sums(report),
      report.shift.explanation ? h("p", {}, report.shift.explanation) : null, entries(report));
    ends.replaceChildren(h("p.notice", { role: "status" }, t("shift.closed.more")),
      h("button.button.is-main", { type: "button", onclick: next }, t("shift.go-on")));
    desk.drawFrame();
  };

  const countForm = () => {
    const cash = moneyField(t("close.cash"));
    const pos = moneyField(t("close.pos"));
    const words = field(t("close.words"), { maxlength: 200 });
    const count = () => {
      const [cash_fen, pos_fen] = [fenOf(cash.value), signed(pos.value)];
      if (cash_fen === null || pos_fen === null) return null;
      const said = words.value === "" ? {} : { explanation: words.value };
      return { counted_cash_fen: cash_fen, counted_pos_fen: pos_fen, ...said };
    };
    const number = field(t("sign.number"), { maxlength: 20 });
    const pin = field(t("sign.pin"), { type: "password", inputmode: "numeric", maxlength: 12 });
    const stays = moneyField(t("hand.float"));
    const close = async () => {
      const counted = count();
      if (counted === null) return t("amount.bad");
      const report = await desk.terminal.closeShift(counted);
      closed(report, () => desk.home());
      return null;
    };
    const handOver = async () => {
      const counted = count();
      const float_fen = stays.value === "" ? counted?.counted_cash_fen ?? null : fenOf(stays.value);
      if (counted === null || float_fen === null) return t("amount.bad");
      const typed = pin.value;
      pin.input.value = "";
      if (number.value === "" || !/^\d{6,12}$/.test(typed)) return t("sign.short");
      const answer = await desk.terminal.handOver(
        { ...counted, next_staff_no: number.value, next_pin: typed, float_fen });
      closed(answer.report, () => desk.signedIn(answer.next));
      return null;
    };
    return [
      h("h2", {}, t("close.title")), cash.element, pos.element, words.element,
      form("close", { act: close, submit: t("close.submit"), left }),
      h("h2", {}, t("hand.title")),
      form("hand", { act: handOver, submit: t("hand.submit"), left }, number.element, pin.element, stays.element),
    ];
  };

  const read = async () => {
    try {
      const [report, refunds] = await Promise.all([desk.terminal.readShift(), desk.terminal.listAllWaiting()]);
      const here = report.shift.here
        ? countForm()
        : [h("p.notice", {}, t("shift.elsewhere"))];
      books.replaceChildren(h("h1", {}, t("shift.title", { staff: report.staff_no })),
        h("p.note", {}, t("shift.since", { at: timeText(report.shift.opened_at) })), sums(report), entries(report),
        waitingView(refunds, t("shift.waiting")) ?? "");
      ends.replaceChildren(...here);
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      if (!left(fault)) books.replaceChildren(faultNotice(fault, read));
    }
  };
  return { name: "shift", element: h("section.shift", {}, books, ends), entered: read };
}
