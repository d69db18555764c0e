// A phone over days: enrolment, renewal, lost answers, other people's logins, forgetting.

import assert from "node:assert/strict";
import test from "node:test";
import { vectors } from "./vectors.js";
import { bigEndian, fromHex, joined, toHex } from "../src/bytes.js";
import { canHold, MemoryStore, Phone } from "../src/index.js";
import { enrolMessage } from "../src/layout.js";
import { holds, messageDigest } from "../src/sm2.js";

const { show } = vectors("nonce");
const TEMPLATE = fromHex(show[0].credential);
const START_S = 1_795_334_400;
const LIFE_S = 2880 * 60;

/** A system that issues by the book; its issuer's signature is not looked at here. */
class System {
  constructor() {
    this.now_s = START_S;
    this.ahead_s = 0;
    this.account = "aa".repeat(16);
    this.asked = [];
    this.kept = new Map();
    this.lose = 0;
    this.refuse = false;
  }

  clock = () => (this.now_s - this.ahead_s) * 1_000;

  challenge() {
    const drawn = toHex(globalThis.crypto.getRandomValues(new Uint8Array(64)));
    return {
      challenge: drawn.slice(0, 64), entropy: drawn.slice(64), account: this.account,
      expires_at: new Date((this.now_s + 96 * 3600) * 1_000).toISOString(),
      server_time: new Date(this.now_s * 1_000).toISOString(),
    };
  }

  call = async (method, path, body, key) => {
    this.asked.push(`${method} ${path}`);
    if (path === "/phones/challenge") return this.challenge();
    if (this.refuse) throw Object.assign(new Error("refused"), { isFinal: true });
    if (!this.kept.has(key)) this.kept.set(key, { body: JSON.stringify(body), answer: this.enrol(body) });
    const { body: first, answer } = this.kept.get(key);
    assert.equal(JSON.stringify(body), first, "one key, one body");
    if (this.lose > 0) {
      this.lose -= 1;
      throw new Error("the answer was lost");
    }
    return answer;
  };

  enrol(body) {
    const holderKey = fromHex(body.holder_key, 33);
    const message = enrolMessage(fromHex(body.challenge), fromHex(this.account), holderKey);
    assert.ok(holds(holderKey, messageDigest(holderKey, message), fromHex(body.proof)));
    const head = joined(TEMPLATE.slice(0, 5), bigEndian(this.now_s, 4), bigEndian(2880, 2));
    return {
      phone_id: body.phone_id ?? `P${this.kept.size}`,
      credential: toHex(joined(head, holderKey, TEMPLATE.slice(44))),
      renew_after: new Date((this.now_s + LIFE_S / 2) * 1_000).toISOString(),
      server_time: new Date(this.now_s * 1_000).toISOString(),
      next: this.challenge(),
    };
  }
}

function rig(system = new System(), store = new MemoryStore()) {
  return { system, store, phone: new Phone({ store, call: system.call, clock: system.clock, label: "Test" }) };
}

test("a day of showing costs the system one request after enrolment", async () => {
  const { system, phone } = rig();
  await phone.keepFresh();
  assert.deepEqual(system.asked, ["POST /phones/challenge", "POST /phones"]);
  system.asked.length = 0;
  const texts = new Set();
  for (let hour = 0; hour < 24 * 3; hour += 1) {
    system.now_s += 3_600;
    await phone.keepFresh();
    texts.add((await phone.show("identify")).text);
  }
  assert.deepEqual(system.asked, ["POST /phones", "POST /phones", "POST /phones"]);
  assert.equal(texts.size, 72);
  assert.equal(phone.record.phoneId, "P0");
});

test("each credential has a key of its own", async () => {
  const { system, phone } = rig();
  await phone.keepFresh();
  const first = toHex(phone.record.key);
  system.now_s += LIFE_S / 2;
  await phone.keepFresh();
  assert.notEqual(toHex(phone.record.key), first);
});

test("after a lost answer the very same is sent again, also by a page opened anew", async () => {
  const { system, store, phone } = rig();
  system.lose = 1;
  await assert.rejects(phone.keepFresh(), /lost/);
  assert.equal(phone.canShow, false);
  const reopened = await new Phone({ store, call: system.call, clock: system.clock }).load();
  await reopened.keepFresh();
  assert.equal(reopened.canShow, true);
  assert.equal(system.kept.size, 1);
});

test("two tabs never show one (step, seq) twice", async () => {
  const { system, store, phone } = rig();
  await phone.keepFresh();
  const other = await new Phone({ store, call: system.call, clock: system.clock }).load();
  const rises = [];
  for (const tab of [phone, other, phone, other]) {
    await tab.show("identify");
    rises.push(store.record.lastRise);
  }
  assert.deepEqual(rises, [0, 1, 2, 3].map((seq) => rises[0] + seq));
});

test("the server's clock is kept, and corrected by what any answer says", async () => {
  const system = new System();
  system.ahead_s = 7_200;
  const { phone, store } = rig(system);
  await phone.keepFresh();
  await phone.show("pay");
  assert.equal(Math.floor(store.record.lastRise / 256), Math.floor(START_S / 30));
  system.ahead_s = 60;
  await phone.heardClock(60_900);
  assert.equal(phone.record.clockOffset_s, 60.9);
  await phone.heardClock(58_000);
  assert.equal(phone.record.clockOffset_s, 60.9);
  // Ten seconds apart, but the answer may be six off.
  await phone.heardClock(71_000, 6_000);
  assert.equal(phone.record.clockOffset_s, 60.9);
  await phone.heardClock(72_000, 6_000);
  assert.equal(phone.record.clockOffset_s, 72);
});

test("an expired credential shows nothing, and one refused for good is gone", async () => {
  const { system, phone, store } = rig();
  await phone.keepFresh();
  system.now_s += LIFE_S;
  assert.equal(phone.canShow, false);
  await assert.rejects(phone.show("identify"), { reason: "EXPIRED" });
  system.refuse = true;
  await assert.rejects(phone.keepFresh(), /refused/);
  assert.equal(store.record, null);
});

/** Renewals are refused for good with this code; new phones are enrolled. */
function refuseRenewals(system, code) {
  const real = system.enrol.bind(system);
  system.enrol = (body) => {
    if (body.phone_id) throw Object.assign(new Error(code), { isFinal: true, code });
    return real(body);
  };
}

test("a phone that a person stopped asks for nothing until somebody in front of it does", async () => {
  const { system, store, phone } = rig();
  await phone.keepFresh();
  const former = phone.record.phoneId;
  refuseRenewals(system, "phone-revoked");
  system.now_s += LIFE_S / 2;
  await assert.rejects(phone.keepFresh(), { code: "phone-revoked" });
  assert.equal(phone.canShow, false);
  assert.equal(store.record.key, undefined);
  system.asked.length = 0;
  const reopened = await new Phone({ store, call: system.call, clock: system.clock }).load();
  await assert.rejects(reopened.keepFresh(), { code: "phone-revoked" });
  assert.deepEqual(system.asked, []);
  // A login of the same person at this phone does not ask for it either.
  await reopened.meetLogin();
  await assert.rejects(reopened.keepFresh(), { code: "phone-revoked" });
  await assert.rejects(reopened.keepFresh(), { code: "phone-revoked" });
  assert.deepEqual(system.asked, ["POST /phones/challenge"]);
  await reopened.keepFresh(true);
  assert.equal(reopened.canShow, true);
  assert.notEqual(reopened.record.phoneId, former);
  system.now_s += LIFE_S / 2;
  refuseRenewals(system, "phone-replaced");
  await reopened.keepFresh();
  assert.equal(reopened.canShow, true);
});

test("a phone that its own holder stopped does not come back by itself either", async () => {
  const { system, store, phone } = rig();
  await phone.keepFresh();
  await phone.stop();
  assert.equal(store.record.key, undefined);
  system.asked.length = 0;
  await assert.rejects(phone.keepFresh(), { code: "phone-revoked" });
  assert.deepEqual(system.asked, []);
  await phone.keepFresh(true);
  assert.equal(phone.canShow, true);
});

test("a phone that one person stopped is enrolled for another who logs in", async () => {
  const { system, phone } = rig();
  await phone.keepFresh();
  refuseRenewals(system, "phone-revoked");
  system.now_s += LIFE_S;
  await assert.rejects(phone.keepFresh(), { code: "phone-revoked" });
  await phone.meetLogin();
  system.account = "bb".repeat(16);
  await phone.keepFresh();
  assert.equal(phone.canShow, true);
});

test("a phone whose place was taken meanwhile asks for one of its own at once", async () => {
  const { system, phone } = rig();
  await phone.keepFresh();
  refuseRenewals(system, "phone-replaced");
  const former = phone.record.phoneId;
  system.now_s += LIFE_S;
  await phone.keepFresh();
  assert.equal(phone.canShow, true);
  assert.notEqual(phone.record.phoneId, former);
});

test("where no place is free the phone says so, once, and shows nothing", async () => {
  const { system, phone, store } = rig();
  system.enrol = () => { throw Object.assign(new Error("full"), { isFinal: true, code: "phone-limit-reached" }); };
  await assert.rejects(phone.keepFresh(), { code: "phone-limit-reached" });
  assert.equal(phone.canShow, false);
  assert.equal(store.record.pending, null);
  assert.deepEqual(system.asked, ["POST /phones/challenge", "POST /phones"]);
});

test("after another person's login nothing of the former one is shown or kept", async () => {
  const { system, phone, store } = rig();
  await phone.keepFresh();
  await phone.keep({ me: { masked_name: "林*" } });
  const former = toHex(store.record.key);
  await phone.meetLogin();
  assert.equal(phone.canShow, false);
  await assert.rejects(phone.show("identify"), { reason: "EXPIRED" });
  system.account = "bb".repeat(16);
  await phone.keepFresh();
  assert.equal(phone.canShow, true);
  assert.notEqual(toHex(store.record.key), former);
  assert.equal(store.record.me, undefined);
  assert.equal(store.record.phoneId, "P1");
});

test("the same person's login goes on as the same phone", async () => {
  const { phone } = rig();
  await phone.keepFresh();
  await phone.meetLogin();
  await phone.keepFresh();
  assert.equal(phone.canShow, true);
  assert.equal(phone.record.phoneId, "P0");
});

test("a credential for another key is not taken", async () => {
  const { system, phone } = rig();
  const real = system.enrol.bind(system);
  system.enrol = (body) => ({ ...real(body), credential: toHex(TEMPLATE) });
  await assert.rejects(phone.keepFresh(), { reason: "NOT_MINE" });
  assert.equal(phone.canShow, false);
});

test("an offer is opened with the kept trust list too, and never with a foreign or older one", async () => {
  const { root, trust_lists: lists, offer: [{ text, now, expect }] } = vectors("offer");
  const { system, phone, store } = rig();
  system.now_s = Date.parse(now) / 1_000;
  await phone.keepFresh();
  const file = { form: "yimatong-trust/1", roots: [root], trust_list: lists.current };
  await assert.rejects(phone.openOffer(text, async () => { throw new Error("no network"); }), /no network/);
  assert.equal((await phone.openOffer(text, async () => file)).name, expect.name);
  for (const fetchFile of [
    async () => { throw new Error("no network"); },
    async () => ({ ...file, roots: [toHex(TEMPLATE.slice(11, 44))] }),
    async () => ({ ...file, trust_list: "00" }),
  ]) {
    const { offer } = await phone.openOffer(text, fetchFile);
    const { text: shown } = await phone.show("pay", offer);
    assert.match(shown, /^YM1:/);
  }
  assert.deepEqual(store.record.trust.roots, [root]);
});

test("the trust list is there for the first offer, asked for at most once a day", async () => {
  const { root, trust_lists: lists, offer: [{ text, now, expect }] } = vectors("offer");
  const { system, phone } = rig();
  system.now_s = Date.parse(now) / 1_000;
  let asked = 0;
  const fetchFile = async () => {
    asked += 1;
    return { form: "yimatong-trust/1", roots: [root], trust_list: lists.current };
  };
  await phone.keepTrust(fetchFile);
  assert.equal(asked, 0);
  await phone.keepFresh();
  await phone.keepTrust(fetchFile);
  await phone.keepTrust(fetchFile);
  assert.equal(asked, 1);
  const cutOff = async () => { throw new Error("no network"); };
  assert.equal((await phone.openOffer(text, cutOff)).name, expect.name);
  system.now_s += 86_400;
  await phone.keepTrust(fetchFile);
  assert.equal(asked, 2);
});

test("forgetting leaves nothing", async () => {
  const { phone, store } = rig();
  await phone.keepFresh();
  await phone.forget();
  assert.equal(store.record, null);
  assert.equal(phone.canShow, false);
  assert.equal(canHold(), true);
});
