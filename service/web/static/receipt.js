// A receipt as both pages show and print it.

import { h } from "./element.js";
import { has, t } from "./language.js";
import { scaled, timeText, yuan } from "./amounts.js";
import { providerName } from "./providers.js";

/** The lines of a bill or receipt as a table. */
export function linesView(lines) {
  const head = ["name", "quantity", "price", "amount"].map((key) =>
    h("th", { scope: "col" }, t(`line.${key}`)));
  return h("table.lines", {},
    h("caption.unseen", {}, t("line.caption")),
    h("thead", {}, h("tr", {}, head)),
    h("tbody", {}, (lines ?? []).map((line) => h("tr", {},
      h("th", { scope: "row" }, line.name),
      h("td", {}, scaled(line.quantity_e4, 4)),
      h("td", {}, scaled(line.unit_price_e6, 6, 2)),
      h("td.amount", {}, yuan(line.amount_fen))))));
}

const fact = (key, value) =>
  value === undefined || value === null || value === ""
    ? null
    : h("div.fact", {}, h("dt", {}, t(`receipt.${key}`)), h("dd", {}, value));

const part = (key, fen, name = "div.split-row") =>
  h(name, {}, h("dt", {}, t(`split.${key}`)), h("dd.amount", {}, `¥${yuan(fen)}`));

/** By what it was paid, several in the order of paying. */
export const wayText = (paidBy) => (paidBy ?? "").split("+")
  .map(providerName).join(t("way.join"));

/** The fiscal e-invoice in one line: what names it, or how far it is. */
function invoiceText(invoice) {
  if (!invoice || !has(`invoice.${invoice.state}`)) return null;
  const { code, number, check_code: check } = invoice.issued ?? {};
  return invoice.state === "ISSUED"
    ? t("invoice.ISSUED", { code, number, check })
    : t(`invoice.${invoice.state}`);
}

/** The whole receipt. */
export function receiptView(receipt) {
  const way = wayText(receipt.paid_by);
  return h("article.receipt", { "aria-label": t("receipt.title") },
    h("header.receipt-head", {},
      h("p.receipt-place", {}, receipt.institution_name),
      h("h2", {}, t("receipt.title"))),
    h("dl.facts", {},
      fact("receipt_no", receipt.receipt_no),
      fact("issued_at", timeText(receipt.issued_at)),
      fact("bill_no", receipt.bill_no),
      fact("paid_by", way),
      fact("provider_ref", receipt.provider_ref),
      fact("insurance_ref", receipt.insurance_ref),
      fact("invoice", invoiceText(receipt.invoice))),
    linesView(receipt.lines),
    h("dl.split-list", {},
      part("total_fen", receipt.total_fen),
      part("fund_fen", receipt.fund_fen),
      part("account_fen", receipt.account_fen),
      receipt.cover_fen > 0 ? part("cover_fen", receipt.cover_fen) : null,
      receipt.hospital_fen > 0 ? part("hospital_fen", receipt.hospital_fen) : null,
      part("cash_paid", receipt.cash_fen, "div.split-row.is-own")));
}
