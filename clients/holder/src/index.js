// What a page or mini-program uses.

export { fromHex, toHex } from "./bytes.js";
export { decode, encode } from "./text.js";
export { clockOffset_s, enrolment, Holder, HolderRefused } from "./holder.js";
export { PURPOSES, STEP_S } from "./layout.js";
export { symbolOf } from "./symbol.js";

/** Whether this platform can hold a key: without its randomness none is made. */
export const canHold = () => typeof globalThis.crypto?.getRandomValues === "function";
