// Home: the code, large; how long it lives; who it is; whether insurance is linked.

import { drawn, h, button, pictureOf } from "../element.js";
import { t, has } from "../language.js";
import { faultNotice } from "../faults.js";
import { Countdown } from "../countdown.js";

const EARLY_S = 5;
const PURPOSES = ["identify", "pay"];
const STORE = "yimatong.purpose";

/** The life left as an outline around the code that shortens. */
function outline() {
  const shape = { x: 2, y: 2, width: 96, height: 96, rx: 7, pathLength: 100 };
  const left = drawn("rect", { class: "ring-left", ...shape });
  const element = drawn("svg", { class: "ring", viewBox: "0 0 100 100", "aria-hidden": "true" },
    drawn("rect", { class: "ring-whole", ...shape }), left);
  return { element, show: (share) => left.style.setProperty("stroke-dashoffset", String(100 - share * 100)) };
}

function personView(me) {
  const status = me.insurance?.status ?? "UNKNOWN";
  const linked = status === "LINKED";
  const words = t(has(`insurance.${status}`) ? `insurance.${status}` : "insurance.UNKNOWN");
  const type = me.insurance?.insurance_type;
  const kind = type && has(`insurance.${type}`) ? ` · ${t(`insurance.${type}`)}` : "";
  return h("div.person", {},
    h("p.person-name", {}, me.masked_name ?? ""),
    h(`p.badge${linked ? ".is-good" : ""}`, {},
      h("span.badge-sign", { "aria-hidden": "true" }, linked ? "✓" : "–"), words + kind));
}

function purposeSwitch(chosen, choose) {
  const option = (purpose) => {
    const input = h("input", { type: "radio", name: "purpose", value: purpose, checked: purpose === chosen });
    input.addEventListener("change", () => choose(purpose));
    return h("label.choice", {}, input, h("span", {}, t(`code.${purpose}`)));
  };
  return h("fieldset.switch", {}, h("legend.unseen", {}, t("code.purpose")), PURPOSES.map(option));
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
  const element = h("details.fold", {}, h("summary", {}, t("code.text")), text, h("p.row", {}, copy, copied));
  return { element, show: (value) => { text.textContent = value; copied.textContent = ""; } };
}

/** Shows codes one after the other while the page is seen. */
class CodeShow {
  constructor(session, purpose) {
    this.session = session;
    this.purpose = purpose;
    this.countdown = null;
    this.turn = 0;
    this.ring = outline();
    this.picture = h("div.code-picture", { "aria-busy": "true" }, h("p", {}, t("code.waiting")));
    this.left = h("p.code-left", {}, "\u00a0");
    this.notices = h("div.code-notices", { "aria-live": "polite" });
    this.text = textView();
    this.seen = () => { if (!document.hidden && this.countdown === null) this.renew(); };
    document.addEventListener("visibilitychange", this.seen);
  }

  async renew() {
    this.turn += 1;
    const mine = this.turn;
    try {
      const code = await this.session.newCode(this.purpose);
      if (mine === this.turn) this.show(code);
    } catch (fault) {
      if (mine !== this.turn) return;
      this.notices.replaceChildren(faultNotice(fault, () => this.renew()));
      if (this.countdown === null) this.expire();
    }
  }

  show(code) {
    this.notices.replaceChildren();
    const picture = pictureOf(code.svg ?? "", t("code.picture"));
    this.picture.removeAttribute("aria-busy");
    this.picture.classList.remove("is-stale");
    this.picture.replaceChildren(picture);
    this.text.show(code.text);
    this.countdown?.stop();
    const left_s = (Date.parse(code.expires_at) - Date.parse(code.server_time)) / 1_000;
    let asked = false;
    const early_s = Math.min(EARLY_S, code.life_s / 4);
    this.countdown = new Countdown(left_s, {
      whole_s: code.life_s,
      tick: (seconds, share) => {
        this.ring.show(share);
        this.left.textContent = t("code.left", { seconds });
        if (!asked && seconds <= early_s && !document.hidden) {
          asked = true;
          this.renew();
        }
      },
      done: () => {
        this.countdown = null;
        this.expire();
        if (!document.hidden && !asked) this.renew();
      },
    });
  }

  expire() {
    this.ring.show(0);
    this.left.textContent = t("code.stale");
    this.picture.classList.add("is-stale");
  }

  choose(purpose) {
    this.purpose = purpose;
    localStorage.setItem(STORE, purpose);
    this.renew();
  }

  leave() {
    this.turn += 1;
    this.countdown?.stop();
    document.removeEventListener("visibilitychange", this.seen);
  }
}

function owedLink(session) {
  const element = h("p.owed", {}, "\u00a0");
  session.listBills().then((bills) => {
    const owed = bills.filter((bill) => ["OPEN", "LOCKED"].includes(bill.state));
    if (owed.length > 0) {
      element.replaceChildren(h("a.owed-link", { href: "#/bills" }, t("code.owed", { count: owed.length })));
    }
  }).catch(() => {});
  return element;
}

export function codeScreen(app) {
  const { session } = app;
  const stored = localStorage.getItem(STORE);
  const shown = new CodeShow(session, PURPOSES.includes(stored) ? stored : "identify");
  const logout = button("button.button.is-plain", t("logout"), async () => {
    session.end();
    await app.show();
  });
  let person = personView(session.me);
  const renewPerson = async () => {
    try {
      const renewed = personView(await session.refreshMe());
      person.replaceWith(renewed);
      person = renewed;
    } catch {
      // What is shown stays; the code's own notice speaks of a lost connection.
    }
  };
  const element = h("section.screen.home", { "aria-labelledby": "title" },
    h("h1.unseen", { id: "title" }, t("code.title")),
    h("div.code-card", {},
      person,
      purposeSwitch(shown.purpose, (purpose) => shown.choose(purpose)),
      h("div.code-frame", {}, shown.ring.element, shown.picture),
      h("div.row.code-foot", {}, shown.left, button("button.button.is-quiet", t("code.refresh"), () => shown.renew()))),
    shown.notices,
    owedLink(session),
    h("p.note", {}, t("code.bright")),
    shown.text.element,
    h("p.row.is-end", {}, logout));
  return {
    element,
    entered: () => Promise.all([shown.renew(), renewPerson()]),
    leave: () => shown.leave(),
    found: () => { if (shown.countdown === null) shown.renew(); },
  };
}
