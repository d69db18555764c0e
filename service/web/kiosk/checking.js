// Screen 2: who it is, what is to be paid, who pays what; one main action.

import { h, button, setDisabled } from "../element.js";
import { has, t } from "../language.js";
import { timeText, yuan } from "../amounts.js";
import { Fault, pause } from "../exchange.js";
import { faultNotice } from "../faults.js";
import { linesView } from "../receipt.js";
import { Countdown } from "../countdown.js";
import {
  billTitle, dueFen, follow, heldText, isElsewhere, isFinal, isFree, isPayable, isUndone, splitView, stateWords,
} from "../settlement.js";
import { providersOf } from "./choosing.js";

const IDLE_S = 60;
const ASKS = 7;
const ASK_EVERY_MS = 2_000;

// Linked here, or asked by the hospital itself when the bill is divided.
const mayInsure = (scan) => ["LINKED", "BY_HOSPITAL"].includes(scan.insurance?.status);

function personView(scan) {
  const status = scan.insurance?.status ?? "UNKNOWN";
  const linked = status === "LINKED";
  const type = scan.insurance?.insurance_type;
  const known = linked && type ? `insurance.${type}` : `insurance.${status}`;
  const words = t(has(known) ? known : linked ? "insurance.LINKED" : "insurance.UNKNOWN");
  const more = [
    has(`sex.${scan.sex}`) ? t(`sex.${scan.sex}`) : null,
    Number.isInteger(scan.age) ? t("check.age", { age: scan.age }) : null,
  ].filter(Boolean).join(" · ");
  return h("div.person", {},
    h("p.person-name", {}, scan.masked_name ?? scan.name ?? ""),
    h("p.person-more", {}, more),
    h(`p.badge${linked ? ".is-good" : ""}`, {},
      h("span.badge-sign", { "aria-hidden": "true" }, linked ? "✓" : "–"), words));
}

class Checking {
  constructor(kiosk, scan, bill) {
    this.kiosk = kiosk;
    this.scan = scan;
    this.station = "check";
    this.gone = false;
    this.bills = null;
    this.bill = bill;
    this.settlement = null;
    this.calls = null;
    this.following = null;
    this.again = null;
    this.elsewhere = null;
    this.useAccount = mayInsure(scan);
    this.element = h("section.check", { "aria-labelledby": "title" });
    this.draw();
  }

  draw() {
    this.left = h("div.check-left", {});
    this.split = splitView();
    this.words = h("p.state", { role: "status" }, "\u00a0");
    this.notices = h("div.notices", { "aria-live": "assertive" });
    this.main = button("button.button.is-main", t("check.wait"), () => this.goOn());
    setDisabled(this.main, true);
    this.element.classList.toggle("is-closed", this.scan.bills_visible === false);
    this.element.replaceChildren(
      h("h1.unseen", { id: "title" }, t("station.check")),
      h("div.check-who", {}, personView(this.scan)),
      this.left,
      h("div.check-right", {}, this.split.element,
        h("div.say", {}, this.words, this.notices), this.main));
    this.drawBills();
    if (this.settlement) this.seen(this.settlement);
  }

  message(what, more, restless = false) {
    this.left.replaceChildren(h(`div.empty${restless ? ".is-restless" : ""}`, { role: "status" },
      h("p.empty-what", {}, what), more ? h("p", {}, more) : null));
  }

  drawBills() {
    if (this.scan.bills_visible === false) {
      const paper = this.scan.shown === "PRINTED";
      this.message(t(paper ? "check.paper" : "check.hidden"), t(paper ? "check.paper.more" : "check.hidden.more"));
      this.offerHome();
    } else if (this.bill !== null) {
      this.left.replaceChildren(this.billView(this.bill));
      this.split.show({ total_fen: this.bill.total_fen });
    } else if (this.bills === null) {
      this.message(t("check.waiting"), null, true);
    } else if (this.bills.length === 0) {
      this.message(t("check.none"), t("check.none.more"));
      this.offerHome();
    } else {
      this.left.replaceChildren(h("h2", {}, t("check.bills")),
        h("ul.choices", {}, this.bills.map((bill) => h("li", {}, this.billButton(bill)))));
      this.main.textContent = t("check.bills");
    }
  }

  billButton(bill) {
    const choose = button("button.choice-bill", "", () => this.choose(bill));
    choose.append(
      h("span", {}, h("strong", {}, billTitle(bill)), h("br"),
        h("span.note", {}, timeText(bill.charged_at)),
        bill.state === "LOCKED" ? h("span.badge.is-busy", {}, t("held.badge")) : null),
      h("strong.amount", {}, `¥${yuan(bill.total_fen)}`));
    return choose;
  }

  billView(bill) {
    return h("article.bill-sheet", {},
      h("div.row.is-apart", {}, h("h2", {}, billTitle(bill)),
        h("p.note", {}, bill.visit_no ? `${t("check.visit")} ${bill.visit_no}` : "")),
      h("div.scroll", { tabindex: "0", role: "region", "aria-label": t("line.caption") }, linesView(bill.lines)));
  }

  entered() {
    this.kiosk.idle.watch(IDLE_S, { end: () => this.cancel() });
    if (this.bill !== null) this.choose(this.bill);
    else if (this.scan.bills_visible !== false) this.findBills();
  }

  // A hospital pushes the bill when it hears of the scan, so the first answers may be empty.
  async findBills() {
    for (let asked = 0; asked < ASKS && !this.gone; asked += 1) {
      if (asked > 0) await pause(ASK_EVERY_MS);
      if (this.gone) return;
      try {
        const bills = await this.kiosk.terminal.listBills(this.scan);
        this.bills = bills.filter((bill) => ["OPEN", "LOCKED"].includes(bill.state ?? "OPEN"));
      } catch (fault) {
        this.fail(fault, () => this.findBills());
        return;
      }
      if (this.bills.length > 0) break;
      this.bills = asked + 1 < ASKS ? null : [];
    }
    if (this.gone) return;
    if (this.bills.length === 1) await this.choose(this.bills[0]);
    else this.drawBills();
  }

  async choose(bill) {
    if (this.scan.purpose !== "pay") {
      const again = this.bills.length > 1 ? () => this.kiosk.check(this.scan) : null;
      this.kiosk.offer({ scan: this.scan, bill, again });
      return;
    }
    this.bill = bill;
    this.drawBills();
    this.main.textContent = t("check.wait");
    this.words.textContent = t("state.PRESETTLING");
    if (bill.state === "LOCKED" && bill.settlement_id) {
      await this.lookElsewhere(bill.settlement_id);
      return;
    }
    const choice = {
      use_account: this.useAccount, insured: mayInsure(this.scan),
    };
    try {
      const settlement = await this.kiosk.terminal.start(this.scan, bill, choice);
      this.calls = this.kiosk.terminal.settlement(this.scan, settlement.settlement_id);
      if (this.gone) {
        this.undo();
        return;
      }
      this.seen(settlement);
      this.watch();
    } catch (fault) {
      const held = fault.code === "bill-locked" ? await this.lockedNow(bill) : null;
      if (held === null) this.fail(fault, () => this.choose(bill));
      else await this.lookElsewhere(held);
    }
  }

  /** The settlement that holds the bill since it was listed; null where that is not known. */
  async lockedNow(bill) {
    const bills = await this.kiosk.terminal.listBills(this.scan).catch(() => []);
    return bills.find((one) => one.bill_id === bill.bill_id)?.settlement_id ?? null;
  }

  // Somebody pays it at another place: here it can be watched, and taken over.

  async lookElsewhere(settlementId) {
    this.elsewhere = this.kiosk.terminal.settlement(this.scan, settlementId);
    try {
      this.seen(await this.elsewhere.read());
      this.watch();
    } catch (fault) {
      this.fail(fault, () => this.lookElsewhere(settlementId));
    }
  }

  seenElsewhere(settlement) {
    if (this.waits) return;
    this.words.textContent = isElsewhere(settlement)
      ? t("held.words", heldText(settlement)) : stateWords(settlement);
    if (isElsewhere(settlement)) {
      this.main.textContent = t("held.take");
      setDisabled(this.main, false);
    } else this.offerHome();
  }

  async takeOver() {
    setDisabled(this.main, true);
    this.main.textContent = t("check.wait");
    this.notices.replaceChildren();
    this.following?.stop();
    const seen = this.settlement;
    try {
      const settlement = await this.elsewhere.takeOver(seen);
      if (this.gone) {
        if (settlement.held.here) this.elsewhere.abandon().catch(() => {});
        return;
      }
      this.seen(settlement);
      this.watch();
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      if (this.gone) return;
      if (fault.code === "payment-still-open") this.waitForClosing(seen, fault.wait_s || 5);
      else this.fail(fault, null);
      this.watch();
    }
  }

  /** The payment elsewhere is not surely closed: nothing may be taken here for some seconds. */
  waitForClosing(settlement, wait_s) {
    this.main.textContent = t("held.take");
    this.waits?.stop();
    this.waits = new Countdown(wait_s, {
      tick: (seconds) => {
        this.words.textContent = t("held.wait", { ...heldText(settlement), seconds });
      },
      done: () => {
        this.waits = null;
        if (!this.gone) this.seen(this.settlement);
      },
    });
  }

  watch() {
    this.following?.stop();
    this.following = follow({
      read: () => (this.calls ?? this.elsewhere).read(),
      seen: (settlement) => this.seen(settlement),
      failed: (fault) => this.fail(fault, () => this.watch()),
    });
  }

  seen(settlement) {
    if (this.gone) return;
    this.settlement = settlement;
    this.again = null;
    this.element.dataset.state = settlement.state;
    this.notices.replaceChildren();
    this.split.show(settlement);
    if (settlement.held?.here === false) {
      // What was begun here and taken over is no more this screen's to undo.
      this.elsewhere ??= this.calls;
      this.calls = null;
      this.kiosk.setSide("", null);
      this.seenElsewhere(settlement);
      return;
    }
    if (this.elsewhere !== null && Number.isSafeInteger(settlement.account_fen)) {
      this.useAccount = settlement.account_fen > 0;
    }
    this.calls ??= this.elsewhere;
    this.elsewhere = null;
    this.words.textContent = stateWords(settlement);
    if (isFree(settlement)) this.main.textContent = t("check.confirm");
    else if (isPayable(settlement)) this.main.textContent = t("check.pay", { amount: yuan(dueFen(settlement)) });
    setDisabled(this.main, !isPayable(settlement));
    if (isPayable(settlement)) this.following?.stop();
    if (isFinal(settlement)) this.offerHome();
    this.offerAccount();
  }

  // Whose account pays is the person's choice: the other way is one touch away.
  offerAccount() {
    const { settlement } = this;
    const other = this.useAccount ? "check.account.off" : "check.account.on";
    const offered = settlement !== null && settlement.state === "PRESETTLED" &&
      (this.useAccount ? settlement.account_fen > 0 : mayInsure(this.scan));
    this.kiosk.setSide(offered ? t(other) : "", offered ? () => this.changeAccount() : null);
  }

  /** Undoes this split and asks for the other one, on the same screen. */
  async changeAccount() {
    this.kiosk.setSide("", null);
    setDisabled(this.main, true);
    this.main.textContent = t("check.wait");
    this.words.textContent = t("state.PRESETTLING");
    this.following?.stop();
    try {
      let settlement = await this.calls.abandon();
      for (let asked = 0; asked < ASKS * 2 && !isUndone(settlement) && !this.gone; asked += 1) {
        await pause(ASK_EVERY_MS / 2);
        settlement = await this.calls.read();
      }
      if (this.gone) return;
      if (!isUndone(settlement)) {
        this.seen(settlement);
        this.watch();
        return;
      }
      this.useAccount = !this.useAccount;
      await this.choose(this.bill);
    } catch (fault) {
      this.fail(fault, null);
    }
  }

  offerHome() {
    this.main.textContent = t("check.home");
    setDisabled(this.main, false);
  }

  async goOn() {
    const { settlement, again } = this;
    if (again) {
      this.again = null;
      this.notices.replaceChildren();
      setDisabled(this.main, true);
      await again();
      return;
    }
    if (settlement && this.elsewhere && isElsewhere(settlement)) {
      await this.takeOver();
      return;
    }
    if (!settlement || this.elsewhere || isFinal(settlement)) {
      this.kiosk.home();
      return;
    }
    this.notices.replaceChildren();
    try {
      const visit = { scan: this.scan, bill: this.bill, calls: this.calls, settlement, ways: [] };
      if (isFree(settlement)) visit.settlement = await this.calls.confirm();
      else await this.beginToPay(visit);
      if (this.gone) return;
      this.kept = true;
      this.kiosk.pay(visit);
    } catch (fault) {
      this.fail(fault, null);
    }
  }

  /** Where one provider alone can be paid, its code is shown at once; else the person chooses. */
  async beginToPay(visit) {
    visit.ways = await this.calls.listWays();
    if (visit.ways.length === 0) throw new Fault("problem", { code: "payment-way-unknown" });
    const shown = providersOf(visit.ways, "native");
    if (shown.length === 1) visit.settlement = await this.calls.pay(shown[0]);
  }

  fail(fault, again) {
    if (this.gone) return;
    if (!(fault instanceof Fault)) throw fault;
    this.notices.replaceChildren(faultNotice(fault));
    if (again && fault.retryable) {
      this.again = again;
      this.main.textContent = t("again");
      setDisabled(this.main, false);
    } else if (this.settlement === null) this.offerHome();
  }

  cancel() {
    this.kiosk.home();
  }

  // Leaving before payment undoes the reservation; if that is lost, its deadline does it.
  undo() {
    this.calls?.abandon().catch(() => {});
  }

  leave() {
    this.gone = true;
    this.following?.stop();
    this.waits?.stop();
    if (!this.kept) this.undo();
  }

  redraw() {
    this.draw();
  }
}

export function checkScreen(kiosk, scan, bill) {
  return new Checking(kiosk, scan, bill);
}
