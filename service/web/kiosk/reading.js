// From a text before the scanner to a scan: who it is, and what the code was shown for.

import { Fault } from "../exchange.js";

// What a text of a printed code begins with: version 1, kind 3 (docs/health-code-format.md §2, §3).
const PAPER = "YM1:D60";
const PAPER_OVER = {
  "code-revoked": "paper-void", "code-superseded": "paper-void",
  "code-expired": "paper-expired", "code-key-closed": "paper-expired", "code-index-unreadable": "paper-expired",
};

/** A scan; who carries paper that is over may have no phone, and is told where to go without one. */
async function scanned(kiosk, text, ...asked) {
  try {
    return await kiosk.terminal.scan(text, ...asked);
  } catch (fault) {
    const code = text.startsWith(PAPER) ? PAPER_OVER[fault.code] : undefined;
    throw code === undefined ? fault : new Fault("problem", { ...fault.problem, code });
  }
}

/** Codes shown to pay. One shown for something else says who it is; then an offer follows, where
 *  this kiosk makes offers. Paper says who it is and no more: its holder is told what to do. */
export async function readFirst(kiosk, text) {
  try {
    return await scanned(kiosk, text, "pay");
  } catch (fault) {
    if (fault.code !== "code-purpose-mismatch") throw fault;
    const scan = await scanned(kiosk, text, "identify");
    if (scan.shown === "PRINTED" || await kiosk.offers.ready()) return scan;
    throw fault;
  }
}

/** The code of that person for the offer on the screen, or one shown to pay whatever is due. */
export async function readApproved(kiosk, text, offer, person) {
  const scan = await readBound(kiosk, text, offer);
  if (scan.patient_id !== person.patient_id) throw new Fault("problem", { code: "other-person" });
  return scan;
}

async function readBound(kiosk, text, offer) {
  try {
    return await scanned(kiosk, text, "pay", offer);
  } catch (fault) {
    if (fault.code !== "code-purpose-mismatch") throw fault;
  }
  try {
    return await scanned(kiosk, text, "pay");
  } catch (fault) {
    throw fault.code === "code-purpose-mismatch" ? new Fault("problem", { code: "code-not-approved" }) : fault;
  }
}
