// The counter: who is signed in, and which of its screens is shown.

import "./words.js";
import { onReach } from "../exchange.js";
import { t } from "../language.js";
import { CounterTerminal } from "./terminal.js";
import { activationScreen, openingScreen, signInScreen, takeCodeFromAddress } from "./entering.js";
import { serveScreen } from "./serving.js";
import { shiftScreen } from "./shift.js";

const part = (id) => document.getElementById(id);
const main = part("main");

const desk = {
  terminal: new CounterTerminal(),
  codeOffered: takeCodeFromAddress(),
  staff: null,
  shift: null,
  tenders: [],
  screen: null,

  /** Puts a screen in place: `{element, entered?, leave?}`. */
  show(screen) {
    this.screen?.leave?.();
    this.screen = screen;
    main.replaceChildren(screen.element);
    this.drawFrame();
    screen.entered?.();
  },

  /** The first screen that the state of things asks for. */
  home() {
    if (!this.terminal.isActive) this.show(activationScreen(this));
    else if (this.staff === null) this.show(signInScreen(this));
    else if (this.shift === null) this.show(openingScreen(this));
    else this.show(serveScreen(this));
  },

  signedIn(signed) {
    this.staff = signed.staff_no;
    this.tenders = signed.tenders;
    this.shift = signed.shift ?? null;
    this.home();
  },

  signedOut(fault = null) {
    this.staff = null;
    this.shift = null;
    this.terminal.session = null;
    this.show(this.terminal.isActive ? signInScreen(this, fault) : activationScreen(this));
  },

  /** Whether a fault means that another screen is due: the session or the shift is over. */
  left(fault) {
    if (fault.code === "staff-not-signed-in" || fault.code === "not-authenticated") {
      this.signedOut(fault);
      return true;
    }
    if (fault.code === "no-open-shift") {
      this.shift = null;
      this.home();
      return true;
    }
    return false;
  },

  drawFrame() {
    part("brand").textContent = t("brand");
    part("place").textContent = this.terminal.identity?.institution_name ?? "";
    part("who").textContent = this.staff === null ? "" : t("who", { staff: this.staff });
    const show = (id, words, on) => {
      part(id).textContent = words;
      part(id).classList.toggle("is-absent", !on);
    };
    show("to-serve", t("top.serve"), this.shift !== null && this.screen?.name === "shift");
    show("to-shift", t("top.shift"), this.shift !== null && this.screen?.name !== "shift");
    show("sign-out", t("top.out"), this.staff !== null);
  },
};

part("to-serve").addEventListener("click", () => desk.home());
part("to-shift").addEventListener("click", () => desk.show(shiftScreen(desk)));
part("sign-out").addEventListener("click", async () => {
  try {
    await desk.terminal.signOut();
  } finally {
    desk.signedOut();
  }
});
onReach((reached) => {
  part("reach").classList.toggle("is-lost", !reached);
  part("reach").textContent = reached ? "" : t("reach.lost");
});
desk.home();
