// This phone's own codes, where the module for them is built and the browser can hold a key.
// Without it, or where enrolling fails, the page shows one-time codes of the system.

import { exchange, Fault, pause, serverClock } from "../exchange.js";

const LABEL_MAX = 40;
const TRUST_WAIT_MS = 4_000;
const DEVICES = [
  ["iPhone", /iPhone/], ["iPad", /iPad/], ["HarmonyOS", /OpenHarmony|HarmonyOS/], ["Android", /Android/],
  ["Windows", /Windows/], ["Mac", /Macintosh/], ["Linux", /Linux/],
];
const BROWSERS = [
  ["WeChat", /MicroMessenger/i], ["Alipay", /AlipayClient/i], ["Edge", /Edg/], ["Firefox", /Firefox|FxiOS/],
  ["Chrome", /Chrome|CriOS/], ["Safari", /Safari/],
];

const firstOf = (names, text) => names.find(([, pattern]) => pattern.test(text))?.[0] ?? "";

/** What a person's list calls this phone: its make where the browser tells, and the browser, of
 *  letters, digits and a few signs: `Android 23127PN0CC · WeChat`. */
export async function deviceName({ userAgent, userAgentData } = navigator) {
  const told = await userAgentData?.getHighEntropyValues?.(["model"]).catch(() => null);
  const name = [firstOf(DEVICES, userAgent), told?.model ?? ""].filter(Boolean).join(" ");
  const words = [name, firstOf(BROWSERS, userAgent)].filter(Boolean).join(" · ");
  return [...words.replace(/[^\p{L}\p{N} ·.,()+_-]/gu, "")].slice(0, LABEL_MAX).join("").trim();
}

/** The phone, or null where there is none to be had. Never raises. */
export async function openPhone(session) {
  const address = document.body.dataset.holder;
  if (!address) return null;
  try {
    const holder = await import(address);
    if (!holder.canHold()) return null;
    const store = await holder.BrowserStore.open();
    return await new holder.Phone({ store, label: await deviceName(), call: callOf(session) }).load();
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

/** The server's clock as its answers told it. */
export function hearClock(phone) {
  const clock = serverClock();
  return clock === null ? undefined : phone?.heardClock(clock.ahead_ms, clock.unsure_ms);
}

/** The trust list's file, or a Fault soon: a poor network must not hold up a phone that keeps one. */
export const readTrust = () => Promise.race([
  exchange({ method: "GET", path: "/v1/lists/trust", once: true }),
  pause(TRUST_WAIT_MS).then(() => { throw new Fault("offline"); }),
]);

/** Resolves as `promise` does, or after `wait_ms` without waiting for it any longer. */
export const within = (wait_ms, promise) => Promise.race([
  promise, new Promise((done) => setTimeout(done, wait_ms)),
]);
