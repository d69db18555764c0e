// Bills to pay, and one bill with its lines and the choice of insurance.

import { h, button } from "../element.js";
import { t } from "../language.js";
import { timeText, yuan } from "../amounts.js";
import { payingNotice } from "../faults.js";
import { linesView } from "../receipt.js";
import { billTitle, kindText } from "../settlement.js";

const payable = (bill) => ["OPEN", "LOCKED"].includes(bill.state);
const paid = (bill) => bill.state === "PAID" && bill.settlement_id;

function billCard(bill) {
  const busy = bill.state === "LOCKED" && bill.settlement_id;
  const place = bill.settlement_id ? `settlement/${bill.settlement_id}` : `bill/${bill.bill_id}`;
  return h("li", {}, h("a.bill", { href: `#/${place}` },
    h("span.bill-place", {}, bill.institution_name),
    h("span.bill-more", {}, [kindText(bill), bill.department, timeText(bill.charged_at)].filter(Boolean).join(" · ")),
    h("span.bill-amount.amount", {}, `¥${yuan(bill.total_fen)}`),
    h(`span.badge${busy ? ".is-busy" : ""}`, {}, t(`bill.state.${bill.state}`))));
}

export async function billsScreen(app) {
  const known = await app.session.listBills();
  const bills = known.filter(payable);
  const settled = known.filter(paid);
  const total = bills.reduce((sum, bill) => sum + bill.total_fen, 0);
  const refresh = button("button.button.is-quiet", t("bills.refresh"), () => app.show());
  const body = bills.length === 0
    ? [h("div.empty", {}, h("p.empty-what", {}, t("bills.none")), h("p.note", {}, t("bills.none.more")))]
    : [
      h("ul.bills", {}, bills.map(billCard)),
      h("p.total", {}, h("span", {}, t("bills.total")), h("strong.amount", {}, `¥${yuan(total)}`)),
    ];
  const element = h("section.screen", { "aria-labelledby": "title" },
    h("div.row.is-apart", {}, h("h1", { id: "title" }, t("bills.title")), refresh), body,
    settled.length === 0 ? null
      : [h("h2", {}, t("bills.paid")), h("ul.bills", {}, settled.map(billCard))]);
  return { element };
}

function choiceView(id, words, checked) {
  const input = h("input", { type: "checkbox", id, checked });
  return { input, element: h("label.tick", { for: id }, input, h("span", {}, words)) };
}

function startView(app, bill) {
  const linked = app.session.me.insurance?.status === "LINKED";
  const insured = choiceView("insured", t("bill.insured"), linked);
  const account = choiceView("use-account", t("bill.account"), linked);
  insured.input.addEventListener("change", () => {
    account.input.disabled = !insured.input.checked;
    account.input.checked = insured.input.checked;
  });
  const notices = h("div", { "aria-live": "assertive" });
  const start = async () => {
    notices.replaceChildren();
    const choice = { use_account: account.input.checked, insured: insured.input.checked };
    try {
      const settlement = await app.session.startSettlement(bill, choice);
      app.go(`settlement/${settlement.settlement_id}`, true);
    } catch (fault) {
      notices.replaceChildren(payingNotice(fault));
    }
  };
  return [
    linked ? h("div.ticks", {}, insured.element, account.element) : null,
    notices,
    h("div.dock", {},
      h("p.dock-amount", {}, h("span", {}, t("split.total_fen")), h("strong.amount", {}, `¥${yuan(bill.total_fen)}`)),
      button("button.button.is-main", t("bill.start"), start)),
    h("p.note", {}, t("bill.start.more")),
  ];
}

export async function billScreen(app, billId) {
  const [bill] = await Promise.all([app.session.readBill(billId), app.session.refreshMe()]);
  const fact = (key, value) => value ? h("div.fact", {}, h("dt", {}, t(`bill.${key}`)), h("dd", {}, value)) : null;
  const tail = () => {
    if (bill.state === "OPEN") return startView(app, bill);
    if (bill.settlement_id) {
      return [h("a.button.is-main", { href: `#/settlement/${bill.settlement_id}` }, t("bill.continue"))];
    }
    return [h("p.notice", {}, t(`bill.state.${bill.state}`))];
  };
  const element = h("section.screen", { "aria-labelledby": "title" },
    h("h1", { id: "title" }, bill.institution_name),
    h("p.lead", {}, billTitle(bill)),
    h("dl.facts", {},
      fact("visit", bill.visit_no), fact("charged", timeText(bill.charged_at)),
      fact("until", timeText(bill.pay_until))),
    linesView(bill.lines),
    tail());
  return { element };
}
