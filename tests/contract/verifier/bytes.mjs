// Bytes, big-endian integers, and the refusal that every check ends in.

export class Refused extends Error {
  constructor(code, more = {}) {
    super(code);
    Object.assign(this, { code, more });
  }
}

export function demand(condition, code, more) {
  if (!condition) throw new Refused(code, more);
}

export const hex = (bytes) => Buffer.from(bytes).toString("hex");
export const ascii = (text) => Uint8Array.from(Buffer.from(text, "latin1"));
export const label = (text) => ascii(`${text}\0`);
export const concat = (...parts) => Uint8Array.from(Buffer.concat(parts));
export const same = (one, other) => Buffer.compare(one, other) === 0;
export const big = (bytes) => BigInt(`0x0${hex(bytes)}`);

export function fromHex(text) {
  if (text.length % 2 || /[^0-9a-f]/.test(text)) throw new Error(`not hex: ${text}`);
  return Uint8Array.from(Buffer.from(text, "hex"));
}

export function uint(value, length) {
  const digits = BigInt(value).toString(16);
  const fits = !digits.startsWith("-") && digits.length <= 2 * length;
  if (!fits) throw new Error(`${value} is no number of ${length} bytes`);
  return fromHex(digits.padStart(2 * length, "0"));
}

// Parts are bytes, or a value and the length of its integer.
export function pack(...parts) {
  return concat(...parts.map((part) => (Array.isArray(part) ? uint(...part) : part)));
}

// Takes fields off bytes one after the other; running over the end is the given refusal.
export class Cursor {
  constructor(bytes, code) {
    Object.assign(this, { bytes, code, at: 0 });
  }

  take(length) {
    demand(this.at + length <= this.bytes.length, this.code);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  numbers(...lengths) {
    return lengths.map((length) => Number(big(this.take(length))));
  }

  end() {
    demand(this.at === this.bytes.length, this.code);
  }
}

export const seconds = (instant) => Date.parse(instant) / 1000;
export const instant = (time) => new Date(time * 1000).toISOString().replace(".000Z", "Z");
