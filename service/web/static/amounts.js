// Money and times as people read them. Money is an integer of fen; no fractions are computed.

import { languageTag } from "./language.js";

/** `123456` becomes `1,234.56`; a BigInt is taken whole; nothing known becomes a dash. */
export function yuan(fen) {
  if (typeof fen !== "bigint" && !Number.isSafeInteger(fen)) return "—";
  const digits = String(fen < 0 ? -fen : fen).padStart(3, "0");
  const whole = digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, ",");
  return `${fen < 0 ? "-" : ""}${whole}.${digits.slice(-2)}`;
}

/** A scaled integer as a decimal text: `scaled(15000, 4)` is `1.5`, with at least `least` decimals. */
export function scaled(value, places, least = 0) {
  if (!Number.isSafeInteger(value)) return "—";
  const digits = String(Math.abs(value)).padStart(places + 1, "0");
  const rest = digits.slice(-places).replace(/0+$/, "").padEnd(least, "0");
  const sign = value < 0 ? "-" : "";
  return `${sign}${digits.slice(0, -places)}${rest === "" ? "" : `.${rest}`}`;
}

const MINUTE = { hour: "2-digit", minute: "2-digit", hour12: false };

/** In China's time, whatever the device is set to. */
const inChina = (at, parts) =>
  new Intl.DateTimeFormat(languageTag(), { timeZone: "Asia/Shanghai", ...parts }).format(new Date(at));

/** A time of the wire, to the minute. */
export const timeText = (text) => Number.isNaN(Date.parse(text)) ? ""
  : inChina(text, { year: "numeric", month: "2-digit", day: "2-digit", ...MINUTE });

/** The day of a time of the wire. */
export const dayText = (text) => inChina(text, { dateStyle: "medium" });

/** A time within days of now, without its year. */
export const shortTimeText = (at) => inChina(at, { month: "numeric", day: "numeric", ...MINUTE });

/** A time of today: `10:05`. */
export const clockText = (at) => inChina(at, MINUTE);

/** `75` seconds as `1:15`. */
export function minutesText(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
