// Collects what a scanner gun types: fast keys, ended by Enter (or Tab), wherever the focus is.
//
// A gun's keys come 1 to 100 ms apart, a slow one's up to 300 ms; whatever stood before a much
// longer pause was a stray tap and is dropped. One of our codes, known by its prefix, may stutter
// longer; a broken one is cut off when the next begins. With a Chinese input method on, `key` says "Process", so
// the place of the key (`code`, as on a US keyboard, which guns imitate) decides.

const GAP_MS = 1_000;
const GAP_WITHIN_CODE_MS = 3_000;
const LENGTH_MIN = 8;
const LENGTH_MAX = 512;
const REPEAT_MS = 2_500;
const PREFIX = "YM1:";

const SHIFTED = { Digit1: "!", Digit2: "@", Digit3: "#", Digit4: "$", Digit5: "%", Digit6: "^",
  Digit7: "&", Digit8: "*", Digit9: "(", Digit0: ")", Minus: "_", Equal: "+", Semicolon: ":",
  Quote: "\"", Comma: "<", Period: ">", Slash: "?", Backslash: "|", BracketLeft: "{",
  BracketRight: "}", Backquote: "~" };
const PLAIN = { Minus: "-", Equal: "=", Semicolon: ";", Quote: "'", Comma: ",", Period: ".",
  Slash: "/", Backslash: "\\", BracketLeft: "[", BracketRight: "]", Backquote: "`", Space: " ",
  NumpadDecimal: ".", NumpadSubtract: "-", NumpadAdd: "+", NumpadMultiply: "*", NumpadDivide: "/" };
const REPAIRED = { "。": ".", "￥": "$", "¥": "$", "…": "^", "—": "_" };

/** The character by the key's place, for when an input method hides it. */
function byPlace({ code, shiftKey }) {
  if (/^Key[A-Z]$/.test(code)) return shiftKey ? code[3] : code[3].toLowerCase();
  if (/^(Digit|Numpad)\d$/.test(code) && !shiftKey) return code.at(-1);
  return (shiftKey ? SHIFTED[code] : undefined) ?? PLAIN[code] ?? "";
}

/** The character a key event stands for, or nothing. */
export function characterOf(event) {
  if (event.ctrlKey || event.metaKey) return "";
  const hidden = event.isComposing || ["Process", "Unidentified", "Dead"].includes(event.key);
  if (hidden) return byPlace(event);
  return [...event.key].length === 1 ? event.key : "";
}

/** Repairs what input methods and caps lock do to one of our codes; other texts stay as typed,
 *  for the system's recogniser to judge. */
export function repaired(text) {
  const narrow = [...text].map((char) => REPAIRED[char] ?? char.normalize("NFKC")).join("").trim();
  const at = narrow.toUpperCase().lastIndexOf(PREFIX);
  return at < 0 ? narrow : narrow.slice(at).toUpperCase();
}

export class Scanner {
  /** `read(text)` gets each scan; `refused()` hears of one that is too short or too long. */
  constructor({ read, refused, clock = (event) => event.timeStamp }) {
    this.read = read;
    this.refused = refused;
    this.clock = clock;
    this.clear();
    this.last = { text: "", at: -Infinity };
    this.listening = true;
  }

  clear() {
    this.text = "";
    this.over = false;
    this.at = -Infinity;
  }

  /** Hears every key before the page does, so that a gun's Enter presses no button. */
  attach(target) {
    target.addEventListener("keydown", (event) => this.hear(event), { capture: true });
  }

  hear(event) {
    if (!this.listening) return;
    const now = this.clock(event);
    const patience = this.text.includes(PREFIX) ? GAP_WITHIN_CODE_MS : GAP_MS;
    if (now - this.at > patience) this.clear();
    if (["Enter", "NumpadEnter", "Tab"].includes(event.key) || event.code === "Enter") {
      this.end(event, now);
      return;
    }
    const char = characterOf(event);
    if (char === "") return;
    this.at = now;
    if (this.text.length >= LENGTH_MAX) this.over = true;
    else this.text += char;
    if (this.text.length > 1 || char !== " ") event.preventDefault();
  }

  end(event, now) {
    const { text, over } = this;
    this.clear();
    if (text.length < 2) return; // a person pressing Enter or Tab
    event.preventDefault();
    event.stopPropagation();
    const clean = repaired(text);
    if (over || clean.length < LENGTH_MIN) {
      if (over || clean.length > 3) this.refused();
      return;
    }
    if (clean === this.last.text && now - this.last.at < REPEAT_MS) return;
    this.last = { text: clean, at: now };
    this.read(clean);
  }
}
