// Bytes, and nothing else: joining, hexadecimal, integers.

/** The parts one after another; numbers are single bytes. */
export function joined(...parts) {
  const arrays = parts.map((part) => (typeof part === "number" ? Uint8Array.of(part) : part));
  const whole = new Uint8Array(arrays.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of arrays) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** ASCII text as bytes. */
export const ascii = (text) => Uint8Array.from(text, (char) => char.charCodeAt(0));

export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** The bytes of lower-case or upper-case hexadecimal; a RangeError for anything else. */
export function fromHex(text, size = text.length / 2) {
  if (typeof text !== "string" || !/^(?:[0-9a-f]{2})*$/i.test(text) || text.length !== size * 2) {
    throw new RangeError("not hexadecimal of that size");
  }
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** A non-negative integer as `size` big-endian bytes; a RangeError when it does not fit. */
export function bigEndian(value, size) {
  let rest = BigInt(value);
  if (rest < 0n || rest >= 1n << BigInt(size * 8)) throw new RangeError("the integer does not fit");
  const out = new Uint8Array(size);
  for (let at = size - 1; at >= 0; at -= 1) {
    out[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return out;
}

/** Big-endian bytes as a BigInt. */
export const toBigInt = (bytes) => BigInt(`0x${toHex(bytes) || "0"}`);

/** Big-endian bytes, at most six, as a number. */
export const toNumber = (bytes) => bytes.reduce((value, byte) => value * 256 + byte, 0);

export const areEqual = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);
