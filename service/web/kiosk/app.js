// The kiosk: which of its screens is shown, who stands in front of it, and when it starts over.
// Scan, check, pay: three screens at most, each with one main action.

import "./words.js";
import { h } from "../element.js";
import { onLanguage, otherLanguage, setLanguage, t } from "../language.js";
import { onReach } from "../exchange.js";
import { Scanner } from "./scanner.js";
import { Terminal } from "./terminal.js";
import { Idle } from "./idle.js";
import { activationScreen, refusedScreen, takeCodeFromAddress } from "./activation.js";
import { scanScreen } from "./scanning.js";
import { checkScreen } from "./checking.js";
import { offerScreen } from "./offering.js";
import { payScreen } from "./paying.js";
import { Offers } from "./till.js";

const STATIONS = ["scan", "check", "pay"];
const part = (id) => document.getElementById(id);
const main = part("main");
const ask = part("ask");

const kiosk = {
  terminal: new Terminal(),
  codeOffered: takeCodeFromAddress(),
  offers: null,
  screen: null,
  footWords: "",

  /** Puts a screen in place: `{element, station?, cancel?, leave?, redraw?}`. */
  show(screen) {
    this.screen?.leave?.();
    this.screen = screen;
    main.replaceChildren(screen.element);
    this.drawFrame();
    screen.entered?.();
  },

  home() {
    this.screen?.leave?.();
    this.screen = null;
    setLanguage("zh", false);
    this.idle.stop();
    if (!this.terminal.isActive) this.show(activationScreen(this));
    else this.welcome();
  },

  welcome() {
    if (this.offers?.terminalId !== this.terminal.identity.terminal_id) this.offers = new Offers(this.terminal);
    else this.offers.ready();
    this.show(scanScreen(this));
  },

  /** With a bill that was chosen before, that one alone. */
  check(scan, bill = null) {
    this.show(checkScreen(this, scan, bill));
  },

  offer(visit) {
    this.show(offerScreen(this, visit));
  },

  pay(visit) {
    this.show(payScreen(this, visit));
  },

  refused() {
    this.idle.stop();
    this.show(refusedScreen(this));
  },

  say(words) {
    this.footWords = words;
    if (!reachLost) part("foot-words").textContent = words;
  },

  setCancel(words, act, enabled = true) {
    const cancel = part("cancel");
    cancel.textContent = words;
    cancel.classList.toggle("is-absent", act === null);
    if (enabled) cancel.removeAttribute("aria-disabled");
    else cancel.setAttribute("aria-disabled", "true");
    this.cancel = enabled ? act : null;
  },

  /** A second thing to do, in the foot; `null` takes it away. */
  setSide(words, act) {
    const side = part("side");
    side.textContent = words;
    side.classList.toggle("is-absent", act === null);
    this.side = act;
  },

  /** A question over the whole screen; `close()` puts it away. */
  question(name, ...children) {
    ask.className = name;
    ask.replaceChildren(...children);
    if (!ask.open) ask.showModal();
    return () => ask.close();
  },

  drawFrame() {
    const at = STATIONS.indexOf(this.screen?.station);
    const station = (key, i) => h(`li.station${i < at ? ".is-done" : ""}${i === at ? ".is-now" : ""}`,
      { "aria-current": i === at ? "step" : null },
      h("span.station-no", { "aria-hidden": "true" }, i < at ? "✓" : String(i + 1)),
      h("span", {}, t(`station.${key}`)));
    part("stations").setAttribute("aria-label", t("station.label"));
    part("stations").replaceChildren(...STATIONS.map(station));
    part("brand").textContent = t("brand");
    part("place").textContent = this.terminal.identity?.institution_name ?? "";
    part("language").textContent = t("language");
    part("help").textContent = t("help");
    const { screen } = this;
    this.setSide("", null);
    this.setCancel(t("cancel"), screen?.cancel ? () => screen.cancel() : null);
  },
};

kiosk.idle = new Idle(kiosk);
kiosk.scanner = new Scanner({
  read: (text) => kiosk.screen?.scanned?.(text),
  refused: () => kiosk.screen?.unread?.(),
});
kiosk.scanner.attach(window);

let reachLost = false;
onReach((reached) => {
  reachLost = !reached;
  part("foot-words").classList.toggle("is-lost", reachLost);
  part("foot-words").textContent = reachLost ? t("reach.lost") : kiosk.footWords;
});

part("cancel").addEventListener("click", () => kiosk.cancel?.());
part("side").addEventListener("click", () => kiosk.side?.());
part("language").addEventListener("click", () => setLanguage(otherLanguage(), false));
part("help").addEventListener("click", () => {
  const close = h("button.button.is-main", { type: "button" }, t("help.close"));
  const hide = kiosk.question("ask is-help",
    h("h1", { id: "ask-title" }, t("help.title")),
    h("p", {}, t("help.words")),
    h("p.note", {}, t("help.place", { terminal: (kiosk.terminal.identity?.terminal_id ?? "").slice(-6) })),
    close);
  close.addEventListener("click", hide);
});
onLanguage(() => {
  kiosk.drawFrame();
  kiosk.screen?.redraw?.();
  kiosk.idle.retell();
});
for (const kind of ["pointerdown", "keydown"]) {
  addEventListener(kind, () => kiosk.idle.touched(), { capture: true, passive: true });
}
addEventListener("contextmenu", (event) => event.preventDefault());
kiosk.home();
