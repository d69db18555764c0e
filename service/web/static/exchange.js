// Sends one request and gives its JSON, or a Fault that says what a person can do about it.
// A request that may have taken effect is repeated only with the same Idempotency-Key.

import { betterClock, readClock } from "./clock.js";

const TIMEOUT_MS = 12_000;
const WAITS_MS = [600, 1_500, 3_000];

/** What went wrong. `kind`: "problem" (the system said so), "offline" (no answer came),
 *  "unproved" (an answer whose signature does not hold). */
export class Fault extends Error {
  constructor(kind, problem = {}) {
    super(problem.title ?? kind);
    this.kind = kind;
    this.code = problem.code ?? kind;
    this.status = problem.status ?? 0;
    this.title = problem.title ?? "";
    this.retryable = kind !== "problem" || problem.retryable === true;
    this.wait_s = Number.isInteger(problem.retry_after_s) ? problem.retry_after_s : 0;
    this.problem = problem;
  }
}

const reachListeners = new Set();
let reached = true;

function noteReach(now) {
  if (now === reached) return;
  reached = now;
  for (const listener of reachListeners) listener(reached);
}

/** Calls back when the system is lost or found again. */
export function onReach(listener) {
  reachListeners.add(listener);
}
let cuts = 0;
addEventListener("offline", () => {
  cuts += 1;
  noteReach(false);
});
addEventListener("online", () => noteReach(true));

/** Whether the system could be reached when last seen. */
export const isReached = () => reached && navigator.onLine;

let heard = null;

/** The server's time in milliseconds, as near as its answers tell. */
export const serverNow = () => Date.now() + (heard?.ahead_ms ?? 0);

/** By how much the server's clock is ahead of ours: `{ahead_ms, unsure_ms}`; null until told. */
export const serverClock = () => heard;

/** Starts to measure a round trip; the function it gives notes what the answer said. */
function startTrip() {
  const [sent_ms, began_ms] = [Date.now(), performance.now()];
  return (response, value, isRepeatable) => {
    // A cache's answer is older than it says; so may one be that was kept for its key.
    if (response.headers.has("age")) return;
    heard = betterClock(heard, readClock({
      sent_ms, received_ms: Date.now(), steady_ms: performance.now() - began_ms,
      said: isRepeatable ? null : value?.server_time, date: response.headers.get("date"),
    }));
  };
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** A key for one act of a person, also where the page is not served over TLS. */
export function freshKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function sendOnce(request, dress) {
  const body = request.body === undefined ? undefined : JSON.stringify(request.body);
  const headers = { Accept: "application/json", ...request.headers };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (request.key) headers["Idempotency-Key"] = request.key;
  const check = dress ? dress(request, body ?? "", headers) : null;
  let response;
  let bytes;
  const noteTrip = startTrip();
  const cutsBefore = cuts;
  try {
    response = await fetch(request.path, {
      method: request.method, headers, body, cache: "no-store",
      credentials: request.credentials ?? "omit", redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch {
    noteReach(false);
    throw new Fault("offline");
  }
  // An answer that was under way when the network was cut does not say that it is back.
  if (cuts === cutsBefore) noteReach(true);
  const value = parsed(bytes);
  noteTrip(response, value, Boolean(request.key));
  return judged(response, bytes, value, check);
}

function parsed(bytes) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return null;
  }
}

function judged(response, bytes, value, check) {
  if (!response.ok) {
    const problem = value !== null && typeof value === "object" ? value : {};
    const retryable = problem.retryable ?? response.status >= 500;
    throw new Fault("problem", { code: "unexpected", ...problem, status: response.status, retryable });
  }
  if (check && !check(response, bytes)) throw new Fault("unproved");
  if (value === null && response.status !== 204) throw new Fault("problem", { code: "unexpected", retryable: true });
  return value;
}

/** Sends `{method, path, body?, key?, headers?, credentials?}`; cookies go only where asked for. Reads and keyed acts are tried up to four
 *  times while the fault is retryable. Raises Fault. `dress` signs and gives the answer's check. */
export async function exchange(request, dress = null) {
  const repeatable = request.method === "GET" || Boolean(request.key);
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await sendOnce(request, dress);
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      const spent = attempt >= WAITS_MS.length || request.once === true;
      if (!repeatable || !fault.retryable || spent) throw fault;
      await pause(Math.max(WAITS_MS[attempt], Math.min(fault.wait_s, 10) * 1_000));
    }
  }
}

/** Keeps one Idempotency-Key for each act until the system has given a final answer to it, over
 *  repeats and reloads: pressing again after a lost answer never acts twice. */
export class Acts {
  constructor(store = sessionStorage) {
    this.store = store;
  }

  /** Runs `send(key)` as the act `name`; the key is forgotten once the outcome is known. */
  async run(name, send) {
    const slot = `yimatong.act.${name}`;
    const key = this.store.getItem(slot) ?? freshKey();
    this.store.setItem(slot, key);
    try {
      const answer = await send(key);
      this.store.removeItem(slot);
      return answer;
    } catch (fault) {
      if (fault instanceof Fault && fault.kind === "problem" && !fault.retryable) {
        this.store.removeItem(slot);
      }
      throw fault;
    }
  }
}
