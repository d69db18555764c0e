// A phone over time: enrolled, renewed, shown, forgotten. Keeps its record in a store and speaks
// to the system through the `call` it is given; it never decides what a person sees.

import { toHex, fromHex } from "./bytes.js";
import { platformBytes } from "./hedged.js";
import { clockOffset_s, enrolment, Holder, HolderRefused } from "./holder.js";
import { STEP_S } from "./layout.js";
import { openOffer } from "./offer.js";
import { symbolOf } from "./symbol.js";
import { readTrustFile } from "./trust.js";

const CLOCK_SLACK_S = 5;
const TRUST_EVERY_S = 86_400;

/** The roots of a kept trust list; null where none were pinned yet. */
const pinned = (held) => held?.roots.map((root) => fromHex(root, 33)) ?? null;

/** What of a record is the platform's and not a person's; null where there is none. */
const kept = (record) => (record?.trust ? { trust: record.trust } : null);

/** A person stopped this phone from another one: it is enrolled anew only when asked to. */
export class PhoneStopped extends Error {
  constructor() {
    super("a person stopped this phone");
    this.name = "PhoneStopped";
    this.code = "phone-revoked";
  }
}

/** What stays of a stopped phone: whose it was, so that only that account is asked. */
const stopped = (record) => ({ ...kept(record), account: record.account, isProved: true, isStopped: true });

/** `call(method, path, body, key)` sends once and gives the JSON answer, or raises. A fault with
 *  `isFinal` says that the system refused for good: the same body will never be taken. */
export class Phone {
  constructor({ store, call, clock = Date.now, draw = platformBytes, label = "" }) {
    Object.assign(this, { store, call, clock, draw, label });
    this.record = null;
    this.running = null;
  }

  async load() {
    this.record = await this.store.read();
    return this;
  }

  async change(step) {
    this.record = await this.store.change(step);
  }

  server_s() {
    return this.clock() / 1_000 + (this.record?.clockOffset_s ?? 0);
  }

  /** Whether a code could be shown now, with no network. */
  get canShow() {
    const { record } = this;
    return Boolean(record?.credential) && record.isProved && this.server_s() < record.expires_s;
  }

  get isDue() {
    return !this.canShow || this.server_s() >= this.record.renewAfter_s;
  }

  /** Enrols or renews when it is time to, once at a time. Raises what `call` raised, and
   *  PhoneStopped where a person stopped this phone, unless the one in front of it `asked`. */
  keepFresh(asked = false) {
    if (!this.isDue) return Promise.resolve();
    this.running ??= this.renew(asked).finally(() => { this.running = null; });
    return this.running;
  }

  async renew(asked = false) {
    await this.load();
    const pending = await this.prepared(asked);
    const sent_ms = this.clock();
    let answer;
    try {
      answer = await this.call("POST", "/phones", pending.body, pending.idempotencyKey);
    } catch (fault) {
      if (!fault.isFinal) throw fault;
      const isRenewal = Boolean(pending.body.phone_id);
      const isStopped = isRenewal && fault.code === "phone-revoked";
      await this.giveUp(pending, isStopped);
      // Its place went to another while its codes were over: it asks for one anew. The person who
      // asked for codes here knows that this phone is stopped.
      const isAnew = fault.code === "phone-replaced" || (isStopped && asked);
      if (isRenewal && isAnew) return this.renew(asked);
      throw isStopped ? new PhoneStopped() : fault;
    }
    return this.take(pending, answer, clockOffset_s(sent_ms, this.clock(), Date.parse(answer.server_time)));
  }

  /** What is to be sent, stored before it is: after a lost answer the very same is sent again. */
  async prepared(asked = false) {
    const { record } = this;
    const isUsable = (made) => made && Date.parse(made.expires_at) > this.server_s() * 1_000;
    const isProved = record?.isProved ?? false;
    if (isProved && record.isStopped && !asked) throw new PhoneStopped();
    if (isProved && isUsable(record.pending)) return record.pending;
    const challenge = isProved && isUsable(record.next) ? record.next
      : await this.call("POST", "/phones/challenge", {});
    // A login of somebody else: nothing of the former person's may stay.
    const former = record?.account === challenge.account ? record : null;
    if (former?.isStopped && !asked) {
      await this.keep({ isProved: true });
      throw new PhoneStopped();
    }
    const made = enrolment(challenge, this.draw);
    const pending = {
      expires_at: challenge.expires_at,
      idempotencyKey: toHex(this.draw()).slice(0, 32),
      key: made.key,
      body: {
        challenge: challenge.challenge,
        holder_key: toHex(made.holderKey),
        proof: toHex(made.proof),
        ...(former?.phoneId ? { phone_id: former.phoneId } : {}),
        ...(this.label ? { label: this.label } : {}),
      },
    };
    // The roots pinned once stay, whoever logs in: they are the platform's.
    await this.change((now) => ({
      ...former, ...kept(now), account: challenge.account, isProved: true, isStopped: false,
      next: null, pending,
    }));
    return pending;
  }

  async take(pending, answer, offset_s) {
    const credential = fromHex(answer.credential, 124);
    // Refuses a credential for another key before the former one is given up.
    const { terms } = new Holder({ key: pending.key, credential });
    await this.change((record) => {
      if (record?.pending?.idempotencyKey !== pending.idempotencyKey) return record;
      return {
        ...record,
        phoneId: answer.phone_id,
        key: pending.key,
        credential,
        clockOffset_s: offset_s,
        lastRise: 0,
        expires_s: terms.expires_s,
        renewAfter_s: Date.parse(answer.renew_after) / 1_000,
        next: answer.next ?? null,
        pending: null,
      };
    });
  }

  /** A renewal refused for good ends the phone it was for: revoked elsewhere, or not ours. That a
   *  person stopped it is remembered, for the account that it was of. */
  async giveUp(pending, isStopped = false) {
    await this.change((record) => {
      if (!record) return null;
      if (!pending.body.phone_id) return { ...record, pending: null, next: null };
      return isStopped ? stopped(record) : kept(record);
    });
  }

  /** After a login: what is kept shows nothing until the account is known to be the same. */
  async meetLogin() {
    await this.change((record) => record && { ...record, isProved: false });
  }

  /** Keeps something of the page's own beside the credential, for the next opening. */
  async keep(values) {
    await this.change((record) => record && { ...record, ...values });
  }

  /** Takes over the server's clock as seen in any answer, where it is off by more than a little and
   *  than the answer may be. */
  async heardClock(ahead_ms, unsure_ms = 0) {
    const { record } = this;
    const apart_s = Math.abs(ahead_ms / 1_000 - record?.clockOffset_s);
    if (!record?.credential || apart_s <= CLOCK_SLACK_S + unsure_ms / 1_000) return;
    await this.keep({ clockOffset_s: ahead_ms / 1_000 });
  }

  /** The trust list: fetched, and kept for when there is no network. The roots of the first file are
   *  pinned for good, for nobody signs those that a file names; a list that the pinned ones do not
   *  sign, or an older one, changes nothing. Judged by what is stored in the very step that stores:
   *  another tab may have pinned roots, or heard of a newer list, since this one last looked. */
  async trust(fetchFile) {
    try {
      const content = await fetchFile();
      const heard_s = this.server_s();
      let list = null;
      await this.change((record) => {
        const held = record?.trust ?? null;
        list = readTrustFile(content, pinned(held), held?.sequence ?? 0);
        const roots = held?.roots ?? content.roots;
        return record && { ...record, trust: { content, roots, sequence: list.sequence, heard_s } };
      });
      return list;
    } catch (fault) {
      const held = (await this.store.read())?.trust ?? null;
      if (held === null) throw fault;
      return readTrustFile(held.content, pinned(held), held.sequence);
    }
  }

  /** Has a trust list before the network goes: asks where none is kept, or one of a day ago. */
  async keepTrust(fetchFile) {
    const heard_s = this.record?.trust?.heard_s ?? -Infinity;
    if (this.canShow && this.server_s() - heard_s >= TRUST_EVERY_S) await this.trust(fetchFile);
  }

  /** An offer's text opened at the server's time: `{name, offer, issued_s, expires_s}`. */
  async openOffer(text, fetchFile) {
    return openOffer(text, await this.trust(fetchFile), Math.floor(this.server_s()));
  }

  /** `{text, svg, left_s, whole_s}`: a code of this moment, never one shown before. Raises
   *  HolderRefused. With an offer hand in its `expires_s` too: it may have ended meanwhile. */
  async show(purpose, offer = null, offerExpires_s = null) {
    const now_ms = this.clock();
    let holder = null;
    let rise = 0;
    // The rise is on the disk before anything is signed with it.
    await this.change((record) => {
      if (!record?.credential || !record.isProved) throw new HolderRefused("EXPIRED");
      holder = new Holder({ ...record, draw: this.draw });
      holder.checkOffer(now_ms, purpose, offer, offerExpires_s);
      rise = holder.nextRise(now_ms);
      return { ...record, lastRise: rise };
    });
    const { text } = holder.showAt(rise, purpose, offer);
    return { text, svg: symbolOf(text).svg, left_s: holder.stepLeft_s(now_ms), whole_s: STEP_S };
  }

  /** Seconds until a code can be shown again after SEQ_SPENT or CLOCK_BEHIND. */
  stepLeft_s() {
    return STEP_S - (this.server_s() % STEP_S);
  }

  /** Its own holder stopped it: key and credential are gone, and it is enrolled anew when asked to. */
  async stop() {
    await this.change((record) => record && stopped(record));
  }

  /** Key and credential are gone from this device. */
  async forget() {
    await this.change(() => null);
  }
}
