// This kiosk as a terminal of the system: its key, and the signed calls made with it.
//
// The key is kept in this browser's localStorage: whoever can run programs as the kiosk's user can
// read it, so a kiosk runs locked to this page, and a lost one is revoked in the console.

import { Acts, exchange, Fault, freshKey } from "../exchange.js";
import { learnNames } from "../providers.js";
import { answerHolds, authorization, freshNonce, unbase64 } from "../signing.js";

const STORE = "yimatong.terminal";

export class Terminal {
  constructor() {
    this.acts = new Acts();
    this.clockAhead_s = 0;
    this.load();
  }

  load() {
    try {
      const kept = JSON.parse(localStorage.getItem(STORE) ?? "null");
      this.identity = kept;
      this.secret = kept ? unbase64(kept.key) : null;
    } catch {
      this.identity = null;
      this.secret = null;
    }
  }

  get isActive() {
    return this.secret !== null;
  }

  /** Trades the one-time code for this terminal's key. */
  async activate(activationCode) {
    const body = { activation_code: activationCode };
    const identity = await exchange({ method: "POST", path: "/v1/terminal-activation", body });
    localStorage.setItem(STORE, JSON.stringify(identity));
    this.load();
  }

  dress(request, bodyText, headers) {
    const nonce = freshNonce();
    const { secret } = this;
    headers.Authorization = authorization(secret, {
      callerId: this.identity.terminal_id, method: request.method, host: location.host,
      target: request.path, timestamp: String(Math.floor(Date.now() / 1_000) + this.clockAhead_s),
      nonce, key: request.key ?? "", body: new TextEncoder().encode(bodyText),
    });
    return (response, body) => answerHolds(secret, {
      status: response.status, nonce, body,
      signature: response.headers.get("yimatong-signature") ?? "",
    });
  }

  async call(method, path, { body, key, once } = {}) {
    const request = { method, path: `/v1/terminal${path}`, body, key, once };
    const dress = (...given) => this.dress(...given);
    try {
      return await exchange(request, dress);
    } catch (fault) {
      const right = fault instanceof Fault && fault.problem.server_time;
      if (fault.code !== "timestamp-outside-window" || !Number.isInteger(right)) throw fault;
      this.clockAhead_s = right - Math.floor(Date.now() / 1_000);
      return exchange(request, dress);
    }
  }

  act(name, path, body) {
    return this.acts.run(name, (key) => this.call("POST", path, { body, key }));
  }

  /** The answer with the purpose that was asked. With an offer only a code bound to it is taken. */
  async scan(text, purpose, offer) {
    const scan = await this.call("POST", "/scans", { body: { text, purpose, offer }, key: freshKey() });
    return { ...scan, purpose };
  }

  /** A certificate for this kiosk's till key, in hex. */
  certifyTill(publicKey) {
    return this.call("POST", "/till-certificate", { body: { public_key: publicKey } });
  }

  async listBills(scan) {
    return (await this.call("GET", `/scans/${encodeURIComponent(scan.scan_id)}/bills`)).bills;
  }

  start(scan, bill, choice) {
    const body = { bill_id: bill.bill_id, ...choice };
    const path = `/scans/${encodeURIComponent(scan.scan_id)}/settlements`;
    const name = `start.${scan.scan_id}.${bill.bill_id}.${bill.version}.${choice.use_account}`;
    return this.act(name, path, body);
  }

  /** The calls on one settlement of a scan. */
  settlement(scan, settlementId) {
    const path = `/scans/${encodeURIComponent(scan.scan_id)}/settlements/${encodeURIComponent(settlementId)}`;
    const act = (verb, body) => this.act(`${verb}.${settlementId}`, `${path}/${verb}`, body);
    return {
      read: () => this.call("GET", path, { once: true }),
      /** How this settlement can be paid here: `{provider, way, name}`, way `native` or `code`. */
      listWays: async () => learnNames((await this.call("GET", `${path}/ways`)).ways),
      /** A code on the screen, for the payer's phone. */
      pay: (provider) =>
        this.act(`payment.${settlementId}.${provider}`, `${path}/payment`, { provider, way: "native" }),
      /** A code on the payer's phone, before the scanner: it is kept nowhere, so neither is its key. */
      take: (provider, code) =>
        this.call("POST", `${path}/payment`, { body: { provider, way: "code", code }, key: freshKey() }),
      confirm: () => act("confirmation", {}),
      /** Go on here with what was seen at another place; again is the same. */
      takeOver: ({ held }) => this.call("POST", `${path}/takeover`, { body: { held_since: held.since } }),
      abandon: () => act("abandonment", {}),
      readReceipt: () => this.call("GET", `${path}/receipt`),
    };
  }
}
