// By whom to pay: the providers' names to touch, and whose payment code came before the scanner.

import { h, button } from "../element.js";
import { t } from "../language.js";
import { providerName } from "../providers.js";

/** Of ways `{provider, way}` those providers that can be paid in this way. */
export const providersOf = (ways, way) => ways.filter((one) => one.way === way).map((one) => one.provider);

/** Whose payment code it is, of those that can be paid by code here; null for another text. */
export function codeOwner(ways, text) {
  const fits = ({ way, shape }) => way === "code" && shape && /^\d+$/.test(text) &&
    text.length >= shape.least && text.length <= shape.most && shape.starts.some((one) => text.startsWith(one));
  return ways.find(fits)?.provider ?? null;
}

/** The payer's own code was sent and its outcome is not known yet: no other payment may begin. */
export const isTaking = (settlement) => settlement.payment?.way === "code" &&
  ["CREATED", "AWAITING_PAYER", "CLOSING"].includes(settlement.payment.state);

/** One large button for each provider whose code this screen can show. */
export function choiceView(ways, choose) {
  const named = (provider) => button(`button.choice-way.is-${provider}`, providerName(provider), () => choose(provider));
  const shown = providersOf(ways, "native").map(named);
  const scanned = providersOf(ways, "code").length > 0
    ? h("p.choice-scan", {}, h("span.scan-arrow", { "aria-hidden": "true" }, "↓"), h("span", {}, t("choose.scan")))
    : null;
  return [h("div.choice-ways", {}, shown), scanned];
}
