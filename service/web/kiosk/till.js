// The offers of this kiosk: what a resident's phone binds its payment code to. Only where the module
// for them is built and the system vouches for this kiosk's key; else people press 缴费 by themselves.

import { serverNow } from "../exchange.js";

const STORE = "yimatong.till";
const LIFE_S = 180;
const TRIES = 2;

/** A till for this terminal, or null where there is none to be had. Never raises. */
async function openTill(terminal) {
  const address = document.body.dataset.holder;
  if (!address) return null;
  try {
    const holder = await import(address);
    if (!holder.canHold()) return null;
    const till = await new holder.Till({
      store: await holder.BrowserStore.open(STORE), call: (publicKey) => terminal.certifyTill(publicKey),
      owner: terminal.identity.terminal_id, seed: terminal.secret, clock: serverNow,
    }).load();
    return { holder, till };
  } catch {
    return null;
  }
}

function offerOf({ holder, till }, bill) {
  const asked = { purpose: "pay", billId: holder.billIdOf(bill.bill_id), amount_fen: bill.total_fen };
  const { text } = till.offer(asked, LIFE_S);
  return { text, svg: holder.offerSymbol(`${location.origin}/#/offer/`, text), life_s: LIFE_S };
}

/** The offers of one activated terminal. */
export class Offers {
  constructor(terminal) {
    this.terminalId = terminal.identity.terminal_id;
    this.opened = openTill(terminal);
    this.ready();
  }

  /** Whether an offer can be made now; renews what is due first. Never raises. */
  async ready() {
    const opened = await this.opened;
    if (opened === null) return false;
    // What fails leaves a certificate that still holds, or none.
    await opened.till.keepFresh().catch(() => {});
    return opened.till.canOffer;
  }

  /** A new offer to pay a bill `{text, svg, life_s}`; null where none can be made. */
  async make(bill) {
    const opened = await this.opened;
    for (let tries = 0; tries < TRIES; tries += 1) {
      if (!await this.ready()) return null;
      // Begun anew while this waited: once more, with the key that follows.
      if (opened.till.canOffer) return offerOf(opened, bill);
    }
    return null;
  }

  /** The system no longer takes this kiosk's key: the next offer is made with another. */
  async begunAnew() {
    const opened = await this.opened;
    await opened?.till.forget();
  }
}
