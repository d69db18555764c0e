// Takes what a till shows: by the camera where the browser reads symbols itself, else typed or pasted.

import { h, button } from "../element.js";
import { t } from "../language.js";
import { pause } from "../exchange.js";

const LOOK_EVERY_MS = 200;
// The offer alone, or behind this page's address, as a till's symbol holds it.
const OFFER = /^(?:https?:\/\/[^#]{1,200}#\/offer\/)?(YMO1:[0-9A-Z$*.:-]{1,461})$/i;
const TYPED_MAX = 1_280;
// What readers undo in codes too (service/reader/repair.py): what is blank, full width, signs.
const BLANK = /[\0- \x7f-\xa0\xad\u2000-\u200f\u2028-\u202f\u205f\u2060\u3000\ufeff+]/g;
const WIDE = /[\uff01-\uff5e]/g;
const SIGNS = { "￥": "$", "¥": "$", "。": ".", "∶": ":", "×": "*", "–": "-", "—": "-", "−": "-" };

function unescaped(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The offer's text in what was read or typed, or null. Blanks, small and full-width letters, an
 *  input method's signs and an address's escapes are undone; what is signed is every letter. */
export function offerText(read) {
  if (read.length > TYPED_MAX) return null;
  const meant = unescaped(read).replace(BLANK, "")
    .replace(WIDE, (letter) => String.fromCharCode(letter.charCodeAt(0) - 0xfee0))
    .replace(/[^\x00-\x7f]/g, (sign) => SIGNS[sign] ?? sign);
  return OFFER.exec(meant)?.[1].toUpperCase() ?? null;
}

const canLook = () => "BarcodeDetector" in globalThis && Boolean(navigator.mediaDevices?.getUserMedia);

/** Looks through the camera until `found(text)` takes something, or `stop()`. */
class Looking {
  constructor(video, found) {
    Object.assign(this, { video, found, stream: null, isOver: false });
  }

  async start() {
    const detector = new BarcodeDetector({ formats: ["qr_code"] });
    this.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    this.video.srcObject = this.stream;
    if (this.isOver) return this.stop();
    await this.video.play();
    this.look(detector);
    return undefined;
  }

  async look(detector) {
    while (!this.isOver) {
      const symbols = await detector.detect(this.video).catch(() => []);
      if (!this.isOver && symbols.length > 0) this.found(symbols[0].rawValue);
      await pause(LOOK_EVERY_MS);
    }
  }

  stop() {
    this.isOver = true;
    this.stream?.getTracks().forEach((track) => track.stop());
  }
}

function cameraView(take, say) {
  const video = h("video.camera", { playsinline: true, hidden: true, "aria-label": t("scan.camera") });
  let looking = null;
  const open = button("button.button.is-main", t("scan.open"), async () => {
    looking = new Looking(video, take);
    try {
      await looking.start();
      video.hidden = false;
      open.hidden = true;
    } catch {
      looking.stop();
      say("scan.dark");
    }
  });
  return { element: h("div.stack", {}, video, open), stop: () => looking?.stop() };
}

export function scanScreen(app) {
  const hint = h("p.hint", { id: "scan-hint", role: "status" });
  const say = (key) => {
    hint.classList.add("is-bad");
    hint.textContent = t(key);
  };
  const take = (read) => {
    const text = offerText(read);
    if (text === null) say("scan.other");
    else app.go(`offer/${text}`);
  };
  const camera = canLook() ? cameraView(take, say) : null;
  const field = h("textarea.input", {
    id: "scan-text", rows: 3, maxlength: TYPED_MAX, autocomplete: "off", autocapitalize: "characters",
    spellcheck: "false", "aria-describedby": "scan-hint",
  });
  const element = h("section.screen", { "aria-labelledby": "title" },
    h("h1", { id: "title" }, t("scan.title")),
    h("p.lead", {}, t(camera ? "scan.lead" : "scan.lead.typed")),
    camera?.element ?? null,
    h("div.field", {}, h("label", { for: "scan-text" }, t("scan.text")), field, hint),
    button(`button.button.${camera ? "is-quiet" : "is-main"}`, t("scan.take"), () => take(field.value)),
    h("a.button.is-plain", { href: "#/code" }, t("pay.home")));
  return { element, leave: () => camera?.stop() };
}
