// The text of a code: `YM1:` and base41. Strict and canonical (docs/health-code-format.md §2).

const PREFIX = "YM1:";
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$*-.:";
const TEXT_MAX = 311;
const BYTES_MAX = 204;

/** The one text of 1 to 204 bytes. */
export function encode(bytes, prefix = PREFIX, bytesMax = BYTES_MAX) {
  if (bytes.length < 1 || bytes.length > bytesMax) throw new RangeError("a code has 1 to 204 bytes");
  let text = prefix;
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    const word = bytes[at] * 256 + bytes[at + 1];
    text += ALPHABET[word % 41] + ALPHABET[Math.floor(word / 41) % 41] + ALPHABET[Math.floor(word / 1681)];
  }
  if (bytes.length % 2 === 1) {
    const last = bytes[bytes.length - 1];
    text += ALPHABET[last % 41] + ALPHABET[Math.floor(last / 41)];
  }
  return text;
}

/** The bytes of a text; a RangeError unless `encode` gives back this very text. */
export function decode(text, prefix = PREFIX, textMax = TEXT_MAX) {
  if (typeof text !== "string" || text.length > textMax || !text.startsWith(prefix)) {
    throw new RangeError("not a text of this form");
  }
  const values = Array.from(text.slice(prefix.length), (letter) => ALPHABET.indexOf(letter));
  if (values.length === 0 || values.length % 3 === 1 || values.includes(-1)) {
    throw new RangeError("a letter or length outside the form");
  }
  const out = [];
  for (let at = 0; at < values.length; at += 3) {
    const word = values[at] + 41 * values[at + 1] + 1681 * (values[at + 2] ?? 0);
    const pair = at + 2 < values.length;
    if (word > (pair ? 0xffff : 0xff)) throw new RangeError("letters stand for too large a number");
    if (pair) out.push(word >> 8);
    out.push(word & 0xff);
  }
  return Uint8Array.from(out);
}
