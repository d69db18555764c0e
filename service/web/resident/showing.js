// One code after the other, each drawn with the life it has left.

import { drawn, h, button, pictureOf } from "../element.js";
import { t } from "../language.js";
import { minutesText, shortTimeText } from "../amounts.js";
import { faultNotice } from "../faults.js";
import { Countdown } from "../countdown.js";
import { Fault } from "../exchange.js";

const EARLY_S = 5;
const ENROL_EVERY_MS = 600_000;
/** A person stopped this phone. */
export const STOPPED = "phone-revoked";
const CLOCK_REASONS = new Set(["CLOCK_BEHIND", "NOT_YET_VALID"]);

/** Without a network and without a valid credential only paper helps. */
export function noCode(fault, { phone, session }) {
  if (phone?.canShow || !(fault instanceof Fault) || fault.kind !== "offline") return fault;
  if (!session.token) return Object.assign(new Fault("offline"), { code: "offline-logged-out" });
  return phone ? Object.assign(new Fault("offline"), { code: "offline-no-code" }) : fault;
}

/** The life left as an outline around the code that shortens. */
function outline() {
  const shape = { x: 2, y: 2, width: 96, height: 96, rx: 7, pathLength: 100 };
  const left = drawn("rect", { class: "ring-left", ...shape });
  const element = drawn("svg", { class: "ring", viewBox: "0 0 100 100", "aria-hidden": "true" },
    drawn("rect", { class: "ring-whole", ...shape }), left);
  return { element, show: (share) => left.style.setProperty("stroke-dashoffset", String(100 - share * 100)) };
}

function textView() {
  const text = h("output.code-text", { id: "code-text" });
  const copied = h("span", { role: "status" });
  const copy = button("button.button.is-quiet", t("code.copy"), async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      copied.textContent = t("code.copied");
    } catch {
      getSelection().selectAllChildren(text);
    }
  });
  const element = h("details.fold", {}, h("summary", {}, t("code.text")),
    h("p.note", {}, t("code.bright")), text, h("p.row", {}, copy, copied));
  return { element, show: (value) => { text.textContent = value; copied.textContent = ""; } };
}

/** Shows codes one after the other while the page is seen: this phone's own, else the system's. */
export class CodeShow {
  /** With `opened` (an opened offer) every code is bound to it, until it ends. */
  constructor(app, purpose, opened = null) {
    this.app = app;
    this.offer = opened?.offer ?? null;
    this.ends_s = opened?.expires_s ?? Infinity;
    this.session = app.session;
    this.purpose = purpose;
    this.isOwn = false;
    this.tried_ms = -Infinity;
    this.countdown = null;
    this.turn = 0;
    this.ring = outline();
    this.picture = h("div.code-picture", { "aria-busy": "true" }, h("p", {}, t("code.waiting")));
    this.left = h("p.code-left", {}, "\u00a0");
    this.source = h("p.code-source", {}, "\u00a0");
    this.notices = h("div.code-notices", { "aria-live": "polite" });
    this.text = textView();
    this.onTrouble = () => {};
    // A sleeping phone's clocks may have stood still: an own code is never trusted on waking.
    this.seen = () => { if (!document.hidden && (this.countdown === null || this.isOwn)) this.renew(); };
    document.addEventListener("visibilitychange", this.seen);
  }

  /** Enrols or renews this phone when due, at most once in a while unless `now`; true if it can
   *  show codes. What fails leaves the former credential, or the system's one-time codes. A phone
   *  that somebody stopped is enrolled anew only where the person `asked` for it. */
  async keepFresh(now = false, asked = false) {
    const { phone, session } = this.app;
    if (!phone) return false;
    // Who comes while it is under way waits for the same one: on a poor network it takes long.
    const isTime = now || Boolean(phone.running) || performance.now() - this.tried_ms > ENROL_EVERY_MS;
    if (phone.isDue && session.token && navigator.onLine && isTime) {
      this.tried_ms = performance.now();
      try {
        await phone.keepFresh(asked);
        this.onTrouble(null);
      } catch (fault) {
        this.onTrouble(fault.code === STOPPED ? new Fault("problem", { code: STOPPED }) : fault);
      }
    }
    return phone.canShow;
  }

  /** `{text, svg, left_s, whole_s, early_s}`; null when the present one must do for this step. */
  async next() {
    const { phone } = this.app;
    if (phone && phone.server_s() >= this.ends_s) throw new Fault("problem", { code: "offer-expired" });
    let why = null;
    if (phone?.canShow) {
      try {
        const ends_s = this.offer === null ? null : this.ends_s;
        return { ...await phone.show(this.purpose, this.offer, ends_s), early_s: 0, isOwn: true };
      } catch (refused) {
        if (refused.reason === "SEQ_SPENT" && this.countdown !== null) return null;
        if (CLOCK_REASONS.has(refused.reason)) why = new Fault("problem", { code: "clock-wrong", retryable: true });
      }
    }
    // Only this phone binds a code to an offer.
    if (this.offer !== null) throw why ?? new Fault("offline-no-code");
    const code = await this.session.newCode(this.purpose).catch((fault) => { throw why ?? fault; });
    const left_s = (Date.parse(code.expires_at) - Date.parse(code.server_time)) / 1_000;
    const early_s = Math.min(EARLY_S, code.life_s / 4);
    return { text: code.text, svg: code.svg ?? "", left_s, whole_s: code.life_s, early_s, isOwn: false };
  }

  async renew() {
    this.turn += 1;
    const mine = this.turn;
    try {
      const code = await this.next();
      if (mine === this.turn && code !== null) this.show(code);
    } catch (fault) {
      if (mine !== this.turn) return;
      this.notices.replaceChildren(faultNotice(noCode(fault, this.app), () => this.renew()));
      if (this.countdown === null) this.expire();
    }
  }

  show(code) {
    this.notices.replaceChildren();
    const picture = pictureOf(code.svg, t("code.picture"));
    this.isOwn = code.isOwn;
    this.picture.removeAttribute("aria-busy");
    this.picture.classList.remove("is-stale");
    this.picture.replaceChildren(picture);
    if (this.offer === null) this.source.replaceChildren(...this.sourceWords());
    this.text.show(code.text);
    this.countdown?.stop();
    let asked = false;
    this.countdown = new Countdown(code.left_s, {
      whole_s: code.whole_s,
      tick: (seconds, share) => {
        this.ring.show(share);
        this.left.textContent = t("code.left", { seconds });
        if (this.offer !== null) this.source.textContent = this.offerWords();
        if (!asked && seconds > 0 && seconds <= code.early_s && !document.hidden) {
          asked = true;
          this.renew();
        }
      },
      done: () => {
        this.countdown = null;
        // An own code still counts for a moment at the reader: its successor replaces it unseen.
        if (document.hidden || !code.isOwn) this.expire();
        if (!document.hidden && !asked) this.renew();
        if (code.isOwn) this.keepFresh();
      },
    });
  }

  sourceWords() {
    if (!this.isOwn) return [t("code.online")];
    const { expires_s, clockOffset_s } = this.app.phone.record;
    const time = shortTimeText((expires_s - clockOffset_s) * 1_000);
    return [h("span.source-more", {}, t("code.own.more")), t("code.own", { time })];
  }

  /** How long the offer lives: no code for it counts afterwards. */
  offerWords() {
    const left_s = Math.max(0, Math.ceil(this.ends_s - this.app.phone.server_s()));
    return t("offer.left", { left: minutesText(left_s) });
  }

  /** The code with what stands below it, for a card. */
  parts() {
    const refresh = button("button.button.is-quiet", t("code.refresh"), () => this.renew());
    return [
      h("div.code-frame", {}, this.ring.element, this.picture),
      h("div.row.code-foot", {}, this.left, refresh),
      this.source,
    ];
  }

  expire() {
    this.ring.show(0);
    this.left.textContent = t("code.stale");
    this.picture.classList.add("is-stale");
  }

  choose(purpose) {
    this.purpose = purpose;
    this.renew();
  }

  leave() {
    this.turn += 1;
    this.countdown?.stop();
    document.removeEventListener("visibilitychange", this.seen);
  }
}
