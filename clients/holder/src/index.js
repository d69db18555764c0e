// What a page, a mini-program or a kiosk uses.

export { Holder, HolderRefused } from "./holder.js";
export { openOffer, OfferRefused } from "./offer.js";
export { Phone } from "./phone.js";
export { BrowserStore, MemoryStore } from "./store.js";
export { symbolOf } from "./symbol.js";
export { billIdOf, offerSymbol, Till } from "./till.js";
export { openTrustList, readTrustFile } from "./trust.js";

/** Whether this platform can hold a key: without its randomness none is made. */
export const canHold = () => typeof globalThis.crypto?.getRandomValues === "function";
