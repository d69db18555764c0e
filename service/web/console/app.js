// The console: who is signed in, and which of its screens the address names. An address holds
// opaque ids and nothing personal.

import "./words.js";
import { Fault, onReach } from "../exchange.js";
import { faultNotice } from "../faults.js";
import { h } from "../element.js";
import { onLanguage, otherLanguage, setLanguage, t } from "../language.js";
import { actsScreen } from "./acts.js";
import { figuresScreen } from "./figures.js";
import { moneyScreen } from "./money.js";
import { operatorsScreen } from "./operators.js";
import { personScreen } from "./person.js";
import { questionScreen } from "./question.js";
import { queueScreen } from "./queue.js";
import { ConsoleSession } from "./session.js";
import { signInScreen } from "./entering.js";

const LOOK_EVERY_MS = 10_000;
const part = (id) => document.getElementById(id);
const main = part("main");

/** Name in the address, the right it needs, and how it is drawn. The first that one may is home. */
const SCREENS = [
  { name: "queue", right: "queue", draw: queueScreen, listed: true },
  { name: "question", right: "persons", draw: questionScreen },
  { name: "record", right: "persons", draw: personScreen },
  { name: "figures", right: "figures", draw: figuresScreen, listed: true },
  { name: "money", right: "money", draw: moneyScreen, listed: true },
  { name: "acts", right: "acts", draw: actsScreen, listed: true },
  { name: "operators", right: "operators", draw: operatorsScreen, listed: true },
];

const desk = {
  session: new ConsoleSession(),
  drawn: 0,

  /** Draws what the address names; a screen is a promise of an element. */
  async draw({ focus = true } = {}) {
    this.drawn += 1;
    const turn = this.drawn;
    const [name, ...given] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
    const may = SCREENS.filter((screen) => this.session.may(screen.right));
    const screen = may.find((one) => one.name === name) ?? may[0];
    const element = this.session.operator === null ? signInScreen(this)
      : await this.drawnScreen(screen, screen?.name === name ? given : []);
    if (turn !== this.drawn) return;
    const shown = this.session.operator === null ? undefined : screen?.name;
    this.drawFrame(shown);
    main.dataset.screen = shown ?? "sign-in";
    main.replaceChildren(element);
    document.title = `${element.querySelector("h1")?.textContent ?? t("brand.console")} · ${t("brand.console")}`;
    if (!focus) return;
    scrollTo(0, 0);
    (element.querySelector("[data-first]") ?? main).focus({ preventScroll: true });
  },

  async drawnScreen(screen, given) {
    if (screen === undefined) return h("p.notice", {}, t("nothing.may"));
    try {
      return await screen.draw(this, ...given);
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      if (this.left(fault)) return signInScreen(this, fault);
      return h("section.page", {}, h("h1", {}, t(`nav.${screen.name}`)), faultNotice(fault, () => this.draw()));
    }
  },

  /** Whether a fault means that nobody is signed in any more. */
  left(fault) {
    if (fault.code !== "console-not-signed-in") return false;
    this.session.forget();
    return true;
  },

  drawFrame(shown) {
    const operator = this.session.operator;
    part("brand").textContent = t("brand.console");
    part("who").textContent = operator === null ? ""
      : t("who", { name: operator.name, roles: operator.roles.map((role) => t(`role.${role}`)).join("、") });
    part("language").textContent = t("language");
    part("sign-out").textContent = t("sign.out");
    part("sign-out").hidden = operator === null;
    const links = SCREENS.filter((one) => one.listed && this.session.may(one.right)).map((one) =>
      h("a.nav-link", { href: `#/${one.name}`, "aria-current": one.name === shown ? "page" : null }, t(`nav.${one.name}`)));
    part("nav").replaceChildren(...links);
    part("nav").setAttribute("aria-label", t("nav.label"));
  },
};

addEventListener("hashchange", () => desk.draw());
onLanguage(() => desk.draw({ focus: false }));
part("language").addEventListener("click", () => setLanguage(otherLanguage()));
part("sign-out").addEventListener("click", async () => {
  try {
    await desk.session.signOut();
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
  }
  main.replaceChildren();
  desk.draw();
});
// Nobody is there any more: what is on the screen is a person's, and goes with the session.
setInterval(() => {
  if (!desk.session.isOver()) return;
  desk.session.forget();
  desk.draw();
}, LOOK_EVERY_MS);
onReach((reached) => {
  part("reach").classList.toggle("is-lost", !reached);
  part("reach").textContent = reached ? "" : t("reach.lost");
});
// What was shown of a person is gone with the page, also from what the browser keeps for "back".
addEventListener("pagehide", () => main.replaceChildren());
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
try {
  await desk.session.resume();
} catch (fault) {
  if (!(fault instanceof Fault)) throw fault;
}
desk.draw();
