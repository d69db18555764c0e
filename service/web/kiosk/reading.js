// From a text before the scanner to a scan: who it is, and what the code was shown for.

import { Fault } from "../exchange.js";

/** Codes shown to pay. One shown for something else says who it is; then an offer follows, where
 *  this kiosk makes offers. Paper says who it is and no more: its holder is told what to do. */
export async function readFirst(kiosk, text) {
  try {
    return await kiosk.terminal.scan(text, "pay");
  } catch (fault) {
    if (fault.code !== "code-purpose-mismatch") throw fault;
    const scan = await kiosk.terminal.scan(text, "identify");
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
    return await kiosk.terminal.scan(text, "pay", offer);
  } catch (fault) {
    if (fault.code !== "code-purpose-mismatch") throw fault;
  }
  try {
    return await kiosk.terminal.scan(text, "pay");
  } catch (fault) {
    throw fault.code === "code-purpose-mismatch" ? new Fault("problem", { code: "code-not-approved" }) : fault;
  }
}
