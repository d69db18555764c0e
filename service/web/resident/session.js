// The resident's login and the calls made with it. The token stays on this device until it ends,
// is refused, or the person logs out.

import { Acts, exchange, Fault } from "../exchange.js";
import { learnNames } from "../providers.js";

const TOKEN = "yimatong.token";
const SUBJECT = "yimatong.twin-subject";

export class Session {
  constructor() {
    this.token = localStorage.getItem(TOKEN);
    this.me = null;
    this.config = null;
    this.acts = new Acts();
    this.onEnd = async () => {};
    this.onLogin = async () => {};
  }

  async readConfig() {
    this.config ??= await exchange({ method: "GET", path: "/v1/page-config", once: !navigator.onLine });
    return this.config;
  }

  /** Logs in with a code of the platform. */
  async login(code) {
    const answer = await exchange({ method: "POST", path: "/v1/login/wechat", body: { code } });
    this.token = answer.access_token;
    localStorage.setItem(TOKEN, this.token);
    this.me = null;
    await this.onLogin();
  }

  /** A login code from the twin, for a made-up person who lives on this device. */
  async twinCode() {
    const subject = localStorage.getItem(SUBJECT) ?? madeUpSubject();
    localStorage.setItem(SUBJECT, subject);
    const path = `${this.config.login_twin_url.replace(/\/$/, "")}/sandbox/codes`;
    const answer = await exchange({ method: "POST", path, body: { subject } });
    return answer.code;
  }

  /** Tells the system that this login is over. */
  tellEnd() {
    return this.call("DELETE", "/session");
  }

  /** Forgets the login on this device. */
  end() {
    this.token = null;
    this.me = null;
    localStorage.removeItem(TOKEN);
  }

  async call(method, path, { body, key, once } = {}) {
    const { token } = this;
    const headers = { Authorization: `Bearer ${token}` };
    try {
      // A phone that knows it has no network gains nothing by waiting for one.
      const isOnce = once === true || !navigator.onLine;
      return await exchange({ method, path: `/v1/me${path}`, body, key, once: isOnce, headers });
    } catch (fault) {
      // Of several calls with one token the first to be refused ends the login.
      if (fault instanceof Fault && fault.status === 401 && this.token === token) {
        this.end();
        await this.onEnd(fault);
      }
      throw fault;
    }
  }

  /** Runs a keyed act; the same key until its outcome is known. */
  act(name, method, path, body) {
    return this.acts.run(name, (key) => this.call(method, path, { body, key }));
  }

  async readMe() {
    this.me ??= await this.call("GET", "");
    return this.me;
  }

  /** Who I am as of now: insurance may have been linked since, by a scan. */
  async refreshMe() {
    this.me = await this.call("GET", "");
    return this.me;
  }

  async register(person) {
    this.me = await this.call("PUT", "/registration", { body: person });
  }

  newCode(purpose) {
    return this.call("POST", "/codes", { body: { purpose, symbol: true } });
  }

  async listPhones() {
    return (await this.call("GET", "/phones")).phones;
  }

  stopPhone(phoneId) {
    return this.call("DELETE", `/phones/${encodeURIComponent(phoneId)}`);
  }

  /** A lost phone: every phone and every code of this person is void, printed ones too. */
  stopAllPhones() {
    return this.call("DELETE", "/phones");
  }

  /** A code for paper; its text and picture are told this once. */
  makePrinted() {
    return this.call("POST", "/printed-codes", { body: { symbol: true } });
  }

  async listPrinted() {
    return (await this.call("GET", "/printed-codes")).printed_codes;
  }

  withdrawPrinted(printedCodeId) {
    return this.call("DELETE", `/printed-codes/${encodeURIComponent(printedCodeId)}`);
  }

  async listBills() {
    return (await this.call("GET", "/bills")).bills;
  }

  readBill(billId) {
    return this.call("GET", `/bills/${encodeURIComponent(billId)}`);
  }

  startSettlement(bill, choice) {
    const path = `/bills/${encodeURIComponent(bill.bill_id)}/settlements`;
    const name = `start.${bill.bill_id}.${bill.version}.${choice.insured}.${choice.use_account}`;
    return this.act(name, "POST", path, choice);
  }

  readSettlement(settlementId) {
    return this.call("GET", pathOf(settlementId), { once: true });
  }

  /** How this settlement can be paid: `{provider, way}`, way `jsapi` or `h5`. */
  async listWays(settlementId) {
    return learnNames((await this.call("GET", `${pathOf(settlementId)}/ways`)).ways);
  }

  pay(settlementId, { provider, way }) {
    const name = `pay.${settlementId}.${provider}.${way}`;
    return this.act(name, "POST", `${pathOf(settlementId)}/payment`, { provider, way });
  }

  /** A link by which somebody else pays: `{link, url, svg, expires_at}`. */
  makePayLink(settlementId) {
    return this.call("POST", `${pathOf(settlementId)}/pay-link`, { body: {} });
  }

  /** What the holder of a link is asked to pay. */
  readPayLink(link) {
    return this.call("POST", "/pay-link", { body: { link } });
  }

  payByLink(link, { provider, way }) {
    const name = `help.${link.slice(-16)}.${provider}.${way}`;
    return this.act(name, "POST", "/pay-link/payment", { link, provider, way });
  }

  confirm(settlementId) {
    return this.act(`confirm.${settlementId}`, "POST", `${pathOf(settlementId)}/confirmation`, {});
  }

  abandon(settlementId) {
    return this.act(`abandon.${settlementId}`, "POST", `${pathOf(settlementId)}/abandonment`, {});
  }

  /** Go on on this phone with what was seen at a terminal; again is the same. */
  takeOver(settlementId, { held }) {
    return this.call("POST", `${pathOf(settlementId)}/takeover`, { body: { held_since: held.since } });
  }

  readReceipt(settlementId) {
    return this.call("GET", `${pathOf(settlementId)}/receipt`);
  }
}

const pathOf = (settlementId) => `/settlements/${encodeURIComponent(settlementId)}`;

function madeUpSubject() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `device-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
