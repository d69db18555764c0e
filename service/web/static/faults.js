// A fault in plain words: what happened, and what to do. By code, else by the family of its status.

import { h, button } from "./element.js";
import { has, t } from "./language.js";

function family(fault) {
  if (fault.kind !== "problem") return fault.kind;
  if (fault.status === 401) return "not-authenticated";
  if (fault.status === 404) return "not-found";
  if (fault.status === 409) return "state-conflict";
  if (fault.status >= 500) return "internal-error";
  return null;
}

/** `{what, remedy}`; a code without words of its own falls back to the system's title. Where the
 *  system says what it `wanted`, the words for just that come first; where money is being paid,
 *  the remedy for that. */
export function faultWords(fault, isPaying = false) {
  for (const key of [`${fault.code}.${fault.problem?.wanted}`, fault.code, family(fault)]) {
    if (key && has(`fault.${key}`)) {
      const remedy = [isPaying ? `remedy.${key}.paying` : "", `remedy.${key}`].find(has);
      return { what: t(`fault.${key}`), remedy: remedy ? t(remedy) : "" };
    }
  }
  return { what: fault.title || t("fault.unexpected"), remedy: t("remedy.unexpected") };
}

/** The words as a notice, with a button to try again where that can help. */
export function faultNotice(fault, again = null, isPaying = false) {
  const { what, remedy } = faultWords(fault, isPaying);
  return h("div.notice.is-fault", { role: "alert", "data-code": fault.code },
    h("p.notice-what", {}, what),
    remedy === "" ? null : h("p", {}, remedy),
    again && fault.retryable ? button("button.button.is-quiet", t("again"), again) : null);
}

/** The same where money is being paid. */
export const payingNotice = (fault, again = null) => faultNotice(fault, again, true);
