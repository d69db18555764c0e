// Somebody else pays: the link that the patient shows or sends, and the page that it opens, which
// knows a masked name, a hospital and an amount.

import { h, button, pictureOf, setDisabled } from "../element.js";
import { t } from "../language.js";
import { shortTimeText, yuan } from "../amounts.js";
import { Fault } from "../exchange.js";
import { payingNotice } from "../faults.js";
import { poll } from "../settlement.js";
import { toProvider } from "./paying.js";
import { learnNames } from "../providers.js";
import { usableWays, WayChoice } from "./ways.js";

const HELPING = "yimatong.helping";

/** Where a payer comes back to who left for a provider's page to pay for somebody; told once. */
export function takeHelpedLink() {
  const link = sessionStorage.getItem(HELPING);
  sessionStorage.removeItem(HELPING);
  return link;
}

/** The patient's screen: the link as a symbol, and to send. */
export async function askScreen(app, settlementId) {
  const made = await app.session.makePayLink(settlementId);
  const said = h("p.note", { role: "status" }, "\u00a0");
  const give = async () => {
    try {
      if (navigator.share) await navigator.share({ title: t("help.ask"), url: made.url });
      else {
        await navigator.clipboard.writeText(made.url);
        said.textContent = t("help.copied");
      }
    } catch {
      said.textContent = t("help.not-copied");
    }
  };
  const element = h("section.screen", { "aria-labelledby": "title" },
    h("h1", { id: "title" }, t("help.ask")),
    h("p.lead", {}, t("help.ask.more")),
    h("div.paper-symbol", {}, pictureOf(made.svg, t("help.picture"))),
    h("p.note", {}, t("help.until", { at: shortTimeText(made.expires_at) })),
    h("div.stack", {},
      button("button.button.is-main", t("help.give"), give), said,
      button("button.button.is-quiet", t("back"), () => app.go(`settlement/${settlementId}`, true))));
  return { element };
}

const fact = (key, value) => h("div.fact", {}, h("dt", {}, t(`help.${key}`)), h("dd", {}, value));

class Helping {
  constructor(app, link, shared, config) {
    Object.assign(this, { app, link, config });
    this.choice = new WayChoice();
    this.choice.offer(usableWays(learnNames(shared.ways), { agent: navigator.userAgent, isSandbox: config.sandbox }));
    this.amount = h("dd.amount", {});
    this.owed = h("div.fact", {}, h("dt", {}, t("help.owed")), this.amount);
    this.words = h("p.state", { role: "status" });
    this.notices = h("div.pay-notices", { "aria-live": "assertive" });
    this.main = button("button.button.is-main", "", () => this.goOn());
    this.element = h("section.screen.helping", { "aria-labelledby": "title" },
      h("h1", { id: "title" }, t("help.title")),
      h("dl.facts", {}, fact("who", shared.masked_name), fact("where", shared.institution_name),
        this.owed),
      h("p.note", {}, t("help.note")),
      this.choice.element, this.words, this.notices, h("div.stack", {}, this.main));
    this.owed_fen = shared.owed_fen;
    this.show(shared);
  }

  entered() {
    this.watch();
  }

  watch() {
    this.following?.stop();
    if (this.shared.state !== "OPEN") return;
    this.following = poll({
      read: () => this.app.session.readPayLink(this.link),
      seen: (shared) => this.show(shared),
      failed: (fault) => this.notices.replaceChildren(payingNotice(fault, () => this.watch())),
      mark: (shared) => JSON.stringify([shared.state, shared.in_progress]),
      isOver: (shared) => shared.state !== "OPEN",
    });
  }

  show(shared) {
    this.shared = shared;
    this.element.dataset.state = shared.state;
    const isOpen = shared.state === "OPEN";
    // What was owed stays to be read once it is paid.
    if (isOpen) this.owed_fen = shared.owed_fen;
    this.amount.textContent = `¥${yuan(this.owed_fen)}`;
    this.owed.hidden = this.owed_fen === 0;
    this.choice.show(isOpen);
    this.words.textContent = isOpen ? (shared.in_progress ? t("help.busy") : "\u00a0") : t(`help.${shared.state}`);
    this.words.classList.toggle("is-good", shared.state === "PAID");
    this.main.textContent = isOpen ? t("pay.now", { amount: yuan(shared.owed_fen) }) : t("pay.home");
    setDisabled(this.main, isOpen && this.choice.chosen === null);
  }

  goOn() {
    return this.shared.state === "OPEN" ? this.pay() : this.app.go("code");
  }

  async pay() {
    this.following?.stop();
    this.notices.replaceChildren();
    try {
      const { chosen } = this.choice;
      const shared = await this.app.session.payByLink(this.link, chosen);
      this.show(shared);
      if (shared.payment) {
        sessionStorage.setItem(HELPING, this.link);
        const back = `${location.origin}/#/help/${this.link}`;
        if (!await toProvider(this.config, chosen, shared.payment, back)) {
          this.notices.replaceChildren(h("p.notice", { role: "alert" }, t("pay.outside")));
        }
      }
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      this.notices.replaceChildren(payingNotice(fault));
    }
    this.watch();
  }

  leave() {
    this.following?.stop();
  }

  found() {
    this.watch();
  }
}

/** The relative's screen. */
export async function helpScreen(app, link) {
  const { session } = app;
  const config = await session.readConfig();
  return new Helping(app, link, await session.readPayLink(link), config);
}
