// Registers the service worker, so that the page opens with no network at the next opening.

const WORKER = "/worker.js";

/** The address as the browser wants it where Trusted Types hold: our policy takes this one only. */
function workerAddress() {
  const policy = globalThis.trustedTypes?.createPolicy("worker", {
    createScriptURL: (address) => {
      if (address !== WORKER) throw new TypeError("not our worker");
      return address;
    },
  });
  return policy ? policy.createScriptURL(WORKER) : WORKER;
}

/** Quietly does nothing where the browser has none: then the page needs a network to open. */
export function openOffline() {
  if (!("serviceWorker" in navigator)) return;
  navigator.serviceWorker.register(workerAddress(), { updateViaCache: "none" }).catch(() => {});
}
