// The console's calls. The session lies in a cookie that no script can read; this page keeps only
// the token that each changing request must carry, and forgets it with the page.

import { Acts, exchange, serverNow } from "../exchange.js";

const ROOT = "/v1/console";
/** As long as the system keeps a session that nobody uses. */
const IDLE_MS = 15 * 60_000;
const part = (text) => encodeURIComponent(text);
const asked = (values) => {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== false);
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
};

export class ConsoleSession {
  constructor() {
    this.operator = null;
    this.forgeryToken = "";
    this.acts = new Acts();
    this.used_ms = 0;
  }

  /** Whether by now the system has ended the session that this page believes in. */
  isOver() {
    if (this.operator === null) return false;
    return Date.now() - this.used_ms >= IDLE_MS || serverNow() >= Date.parse(this.operator.ends_at);
  }

  call(method, path, { body, key } = {}) {
    this.used_ms = Date.now();
    const headers = method === "GET" ? {} : { "Yimatong-Forgery-Token": this.forgeryToken };
    return exchange({ method, path: ROOT + path, body, key, headers, credentials: "same-origin" });
  }

  /** An act that is done once: pressing again after a lost answer repeats the same one. */
  act(name, path, body) {
    return this.acts.run(`console.${name}`, (key) => this.call("POST", path, { body, key }));
  }

  may(right) {
    return this.operator !== null && this.operator.rights.includes(right);
  }

  _signedIn(answer) {
    this.operator = answer;
    this.forgeryToken = answer.forgery_token;
  }

  /** Whoever is signed in already; raises the fault that says nobody is. */
  async resume() {
    this._signedIn(await this.call("GET", "/session"));
  }

  async signIn(name, password, code) {
    this._signedIn(await this.call("POST", "/sign-in", { body: { name, password, code } }));
  }

  async signOut() {
    try {
      await this.call("DELETE", "/session");
    } finally {
      this.forget();
    }
  }

  forget() {
    this.operator = null;
    this.forgeryToken = "";
  }

  listQuestions({ closed = false, reason = null, after = null } = {}) {
    return this.call("GET", `/questions${asked({ closed, reason, after })}`);
  }

  listMoney({ closed = false, reason = null, after = null } = {}) {
    return this.call("GET", `/money${asked({ closed, reason, after })}`);
  }

  readQuestion(item) {
    return this.call("GET", `/questions/${part(item)}`);
  }

  readPerson(record) {
    return this.call("GET", `/records/${part(record)}/person`);
  }

  readFigures(days) {
    return this.call("GET", `/figures${asked({ days })}`);
  }

  listActs({ action = null, after = null } = {}) {
    return this.call("GET", `/acts${asked({ action, after })}`);
  }

  async listOperators() {
    return (await this.call("GET", "/operators")).operators;
  }

  rule(record, other, verdict, because) {
    return this.act(`rule.${record}.${other}.${verdict}`, "/rulings", { record, other, verdict, because });
  }

  withdraw(record, other, because) {
    return this.act(`withdraw.${record}.${other}`, "/rulings/withdrawal", { record, other, because });
  }

  unmerge(change, because) {
    return this.act(`unmerge.${change}`, `/changes/${part(change)}/unmerge`, { because });
  }

  undo(change, because) {
    return this.act(`undo.${change}`, `/changes/${part(change)}/undo`, { because });
  }

  close(item, because) {
    return this.act(`close.${item}`, `/questions/${part(item)}/closing`, { because });
  }
}
