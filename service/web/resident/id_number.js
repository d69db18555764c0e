// Live advice on an 18-character citizen identity number (GB 11643-1999). Advice only: the system
// judges.

const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECKS = "10X98765432";

/** Blanks out, full width and lower-case x repaired. */
export function tidyNumber(text) {
  return text.normalize("NFKC").replace(/\s/g, "").toUpperCase();
}

function isDate(text) {
  const [year, month, day] = [text.slice(0, 4), text.slice(4, 6), text.slice(6, 8)].map(Number);
  const at = new Date(Date.UTC(year, month - 1, day));
  return at.getUTCFullYear() === year && at.getUTCMonth() === month - 1 &&
    at.getUTCDate() === day && year >= 1850 && at.getTime() <= Date.now();
}

/** `{verdict, count}` with verdict hint, chars, short, long, date, check or right. */
export function judgeNumber(text) {
  const number = tidyNumber(text);
  if (number === "") return { verdict: "hint", count: 0 };
  if (!/^\d{0,17}$|^\d{17}[\dX]\d*$/.test(number)) return { verdict: "chars", count: 0 };
  if (number.length > 18) return { verdict: "long", count: number.length - 18 };
  if (number.length >= 14 && !isDate(number.slice(6, 14))) return { verdict: "date", count: 0 };
  if (number.length < 18) return { verdict: "short", count: 18 - number.length };
  const sum = WEIGHTS.reduce((total, weight, i) => total + weight * Number(number[i]), 0);
  return { verdict: CHECKS[sum % 11] === number[17] ? "right" : "check", count: 0 };
}
