// The text of a code and of an offer (§2).

import { demand } from "./bytes.mjs";

const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$*-.:";

export function encode(prefix, bytes) {
  let text = prefix;
  for (let i = 0; i < bytes.length; i += 2) {
    const pair = i + 1 < bytes.length;
    const value = pair ? bytes[i] * 256 + bytes[i + 1] : bytes[i];
    text += LETTERS[value % 41] + LETTERS[Math.floor(value / 41) % 41];
    if (pair) text += LETTERS[Math.floor(value / 1681)];
  }
  return text;
}

export function decode(prefix, text, code) {
  demand(text.startsWith(prefix), code);
  const values = [...text.slice(prefix.length)].map((letter) => LETTERS.indexOf(letter));
  demand(values.length > 0 && values.length % 3 !== 1 && !values.includes(-1), code);
  const bytes = [];
  for (let i = 0; i < values.length; i += 3) {
    const [low, middle, high] = values.slice(i, i + 3);
    const value = low + 41 * middle + 1681 * (high ?? 0);
    demand(value <= (high === undefined ? 0xff : 0xffff), code);
    if (high !== undefined) bytes.push(value >> 8);
    bytes.push(value & 0xff);
  }
  return Uint8Array.from(bytes);
}
