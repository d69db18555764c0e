// By whom the person pays on this phone: which ways its browser can use, and the choice among them.

import { h } from "../element.js";
import { t } from "../language.js";
import { providerName } from "../providers.js";

/** What most people have comes first; the rest as the hospital's list has it. */
const rank = (provider) => ["wechatpay", "alipay", provider].indexOf(provider);

/** One way a provider, of those offered: inside an app only its own, elsewhere the providers' pages.
 *  `{provider, way}`; where a provider has no page, the call that its app alone understands. */
export function usableWays(offered, { agent, isSandbox }) {
  const inWeChat = /MicroMessenger/i.test(agent);
  const inAlipay = /AlipayClient/i.test(agent);
  const has = (provider, way) => offered.some((one) => one.provider === provider && one.way === way);
  const wayOf = (provider) => {
    if (inWeChat) return provider === "wechatpay" && has(provider, "jsapi") ? "jsapi" : null;
    if (inAlipay && provider !== "alipay") return null;
    if (has(provider, "h5")) return "h5";
    return isSandbox && has(provider, "jsapi") ? "jsapi" : null;
  };
  const providers = [...new Set(offered.map((one) => one.provider))].sort((a, b) => rank(a) - rank(b));
  return providers.map((provider) => ({ provider, way: wayOf(provider) })).filter((one) => one.way);
}

/** Opens a provider's page. WeChat's asks which site sent the payer, and hears no more than that. */
export function openPage(link) {
  const address = new URL(link);
  if (!address.protocol.startsWith("http")) return;
  const door = h("a", { href: address.href, referrerpolicy: "origin" });
  document.body.append(door);
  door.click();
  door.remove();
}

/** The choice; shown only where there is one. */
export class WayChoice {
  constructor() {
    this.ways = [];
    this.standing = undefined;
    this.element = h("fieldset.pay-ways", { hidden: true });
  }

  offer(ways) {
    this.ways = ways;
    this.element.replaceChildren(h("legend", {}, t("pay.by")), ...ways.map((one, i) =>
      h("label.tick", {},
        h("input", { type: "radio", name: "way", value: one.provider, checked: i === 0 }),
        h("span", {}, providerName(one.provider)))));
  }

  /** To be seen, or not, with the standing order's provider chosen. */
  show(isOpen, provider) {
    this.element.hidden = !isOpen || this.ways.length < 2;
    if (provider === this.standing) return;
    const standing = this.element.querySelector(`input[value="${provider}"]`);
    if (standing) standing.checked = true;
    this.standing = standing ? provider : undefined;
  }

  get chosen() {
    const provider = this.element.querySelector("input:checked")?.value;
    return this.ways.find((one) => one.provider === provider) ?? null;
  }
}
