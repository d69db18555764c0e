// The nonces and keys of a phone, hedged against a bad random source
// (docs/health-code-format.md, "Nonces of a phone").

import { bigEndian, joined, toBigInt } from "./bytes.js";
import { hmac, N, prefixOf } from "./sm2.js";

/** 32 bytes from the platform. An Error where there is no such call: never any other source. */
export function platformBytes() {
  const source = globalThis.crypto;
  if (typeof source?.getRandomValues !== "function") throw new Error("no randomness of the platform");
  return source.getRandomValues(new Uint8Array(32));
}

function check(...parts) {
  if (parts.some((part) => !(part instanceof Uint8Array) || part.length !== 32)) {
    throw new RangeError("key, digest and fresh bytes have 32 bytes each");
  }
}

/** The generator's outputs in order, without end. */
export function* candidates(key, digest, fresh) {
  check(key, digest, fresh);
  let k = new Uint8Array(32);
  let v = new Uint8Array(32).fill(1);
  for (const mark of [0, 1]) {
    k = hmac(k, joined(v, mark, key, digest, fresh));
    v = hmac(k, v);
  }
  for (;;) {
    v = hmac(k, v);
    yield v;
    k = hmac(k, joined(v, 0));
    v = hmac(k, v);
  }
}

/** The first output in [1, limit - 1]: rejected, never reduced. */
export function firstBelow(outputs, limit) {
  for (const output of outputs) {
    const value = toBigInt(output);
    if (value >= 1n && value < limit) return value;
  }
  throw new Error("no output in range");
}

/** The nonce of one signature. */
export const nonce = (key, digest, fresh) => firstBelow(candidates(key, digest, fresh), N);

/** A new private key from the platform's 32 bytes and the server's. */
export function mixedKey(fresh, entropy) {
  check(fresh, entropy);
  const outputs = function* outputs() {
    for (let i = 0; i < 256; i += 1) yield hmac(fresh, joined(prefixOf("YM1 holder key"), entropy, i));
  };
  return bigEndian(firstBelow(outputs(), N - 1n), 32);
}
