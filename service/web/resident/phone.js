// This phone's own codes, where the module for them is built and the browser can hold a key.
// Without it, or where enrolling fails, the page shows one-time codes of the system.

import { Fault, serverAhead } from "../exchange.js";

const DEVICES = [["iPhone", /iPhone/], ["iPad", /iPad/], ["Android", /Android/], ["Windows", /Windows/], ["Mac", /Mac/]];

/** A word by which a person tells their phones apart in the list. */
function deviceName() {
  const found = DEVICES.find(([, pattern]) => pattern.test(navigator.userAgent));
  return found ? found[0] : "";
}

/** The phone, or null where there is none to be had. Never raises. */
export async function openPhone(session) {
  const address = document.body.dataset.holder;
  if (!address) return null;
  try {
    const holder = await import(address);
    if (!holder.canHold()) return null;
    const store = await holder.BrowserStore.open();
    return await new holder.Phone({ store, label: deviceName(), call: callOf(session) }).load();
  } catch {
    return null;
  }
}

const callOf = (session) => async (method, path, body, key) => {
  try {
    // Once: a repeat would blur the round trip that tells the server's clock.
    return await session.call(method, path, { body, key, once: true });
  } catch (fault) {
    // A login that ended says nothing against the phone.
    fault.isFinal = fault instanceof Fault && fault.kind === "problem" && !fault.retryable
      && ![401, 429].includes(fault.status);
    throw fault;
  }
};

/** The server's clock from whatever it answered last. */
export function hearClock(phone) {
  const ahead_ms = serverAhead();
  return ahead_ms === null ? undefined : phone?.heardClock(ahead_ms);
}

/** Resolves as `promise` does, or after `wait_ms` without waiting for it any longer. */
export const within = (wait_ms, promise) => Promise.race([
  promise, new Promise((done) => setTimeout(done, wait_ms)),
]);
