// Screen 1: scan. Nothing to touch.

import { h } from "../element.js";
import { t } from "../language.js";
import { faultNotice } from "../faults.js";
import { readFirst } from "./reading.js";

export function scanScreen(kiosk) {
  const words = h("div.scan-words", { role: "status" });
  let busy = false;
  let gone = false;

  const scanned = async (text) => {
    if (busy) return;
    busy = true;
    words.replaceChildren(h("p.scan-state", {}, t("scan.reading")));
    try {
      const scan = await readFirst(kiosk, text);
      if (!gone) kiosk.check(scan);
    } catch (fault) {
      if (gone) return;
      if (fault.status === 401 && fault.code === "not-authenticated") kiosk.refused();
      else words.replaceChildren(faultNotice(fault));
    } finally {
      busy = false;
    }
  };

  const element = h("section.scan", { "aria-labelledby": "title" },
    h("div.scan-say", {},
      h("h1", { id: "title" }, t("scan.title")),
      h("p.scan-lead", {}, h("span", {}, t("scan.lead")), h("span", {}, t("scan.aim"))),
      h("p.note", {}, t("scan.also")),
      words),
    h("div.scan-show", { "aria-hidden": "true" },
      h("div.phone", {}, h("span.hero-frame", {}, h("span.hero-stroke"))),
      h("div.slot", {}, h("span.slot-light"), h("span", {}, t("scan.slot")))));
  return {
    station: "scan",
    element,
    scanned,
    entered: () => kiosk.say(t("scan.foot")),
    unread: () => words.replaceChildren(h("p.scan-state", {}, t("scan.bad"))),
    redraw: () => { if (!busy) kiosk.show(scanScreen(kiosk)); },
    leave: () => { gone = true; },
  };
}
