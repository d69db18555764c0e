// This counter as a terminal of the system, with the session of the cashier who is signed in.
//
// The session lives in this page alone: after a reload the cashier types his PIN again.

import { Terminal } from "../kiosk/terminal.js";

const path = (...parts) => parts.map((part) => `/${encodeURIComponent(part)}`).join("");

export class CounterTerminal extends Terminal {
  constructor() {
    super();
    this.session = null;
  }

  dress(request, bodyText, headers) {
    if (this.session !== null) headers["Yimatong-Staff"] = this.session;
    return super.dress(request, bodyText, headers);
  }

  /** An act that is done once for these very contents. */
  once(verb, target, body) {
    return this.act(`${verb}.${target}.${JSON.stringify(body)}`, target, body);
  }

  async signIn(staff_no, pin) {
    this.session = null;
    const signed = await this.call("POST", "/staff/sign-in", { body: { staff_no, pin } });
    this.session = signed.session;
    return signed;
  }

  async signOut() {
    try {
      await this.call("POST", "/staff/sign-out");
    } finally {
      this.session = null;
    }
  }

  openShift(float_fen) {
    return this.once("open", "/shift", { float_fen });
  }

  readShift() {
    return this.call("GET", "/shift");
  }

  closeShift(count) {
    return this.once("close", "/shift/closing", count);
  }

  async handOver(count) {
    const answer = await this.call("POST", "/shift/handover", { body: count });
    this.session = answer.next.session;
    return answer;
  }

  /** A code shown to pay, or anything that says who it is: at a desk staff see who stands there. */
  async identify(text) {
    try {
      return await this.scan(text, "pay");
    } catch (fault) {
      if (fault.code !== "code-purpose-mismatch") throw fault;
      return this.scan(text, "identify");
    }
  }

  startOwn(scan, bill, choice) {
    return this.once("start", `${path("scans", scan.scan_id)}/settlements`, { bill_id: bill.bill_id, ...choice });
  }

  listWaiting(scan) {
    return this.call("GET", `${path("scans", scan.scan_id)}/refunds`);
  }

  give(scan, refund, slip) {
    return this.once("give", `${path("scans", scan.scan_id, "refunds", refund.refund_id)}/giving`, slip);
  }

  async listPosted(scan) {
    return (await this.call("GET", `${path("scans", scan.scan_id)}/posted`)).settlements;
  }

  /** All that waits at the hospital's counters, whosever it is. */
  async listAllWaiting() {
    return (await this.call("GET", "/shift/refunds")).refunds;
  }

  /** What waits for a second person: `{correction, posted}`. */
  async listAwaiting() {
    return (await this.call("GET", "/shift/corrections")).corrections;
  }

  /** The calls to give back something of a posted settlement of a scan; without a scan only what
   *  was asked is read. */
  giving(scan, posted) {
    const own = scan && path("scans", scan.scan_id, "settlements", posted.settlement_id);
    return {
      read: () => this.call("GET", own),
      listAsked: async () => (await this.call("GET", `${own}/corrections`)).corrections,
      readAsked: (id) => this.call("GET", path("corrections", id), { once: true }),
      correct: (body) => this.once("correct", `${own}/corrections`, body),
      returnAll: (body) => this.once("return", `${own}/return`, body),
    };
  }

  /** Somebody agrees or says no: whoever is signed in, or another one who types his PIN. */
  async decide(correction, agrees, { staff_no, pin } = {}) {
    const act = `${path("corrections", correction.correction_id)}/${agrees ? "approval" : "refusal"}`;
    if (staff_no === undefined) return this.once("decide", act, {});
    const other = new CounterTerminal();
    other.clockAhead_s = this.clockAhead_s;
    await other.signIn(staff_no, pin);
    try {
      return await other.once(`decide.${staff_no}`, act, {});
    } finally {
      await other.signOut().catch(() => {});
    }
  }

  /** The calls on one settlement of a scan. */
  settlement(scan, settlementId) {
    const own = path("scans", scan.scan_id, "settlements", settlementId);
    return {
      ...super.settlement(scan, settlementId),
      take: (body) => this.once("take", `${own}/counter-payment`, body),
      order: (provider, amount_fen) => this.once("order", `${own}/payment`,
        { provider, way: "native", ...(amount_fen === null ? {} : { amount_fen }) }),
    };
  }
}
