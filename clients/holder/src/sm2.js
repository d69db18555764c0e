// SM2 and SM3 by the library, with our nonces and strict ranges around it. README.md says why.
// The library never draws randomness here: keys and nonces come from ./hedged.js.

import { sm2, sm3 } from "sm-crypto-v2";
import { ascii, bigEndian, fromHex, joined, toBigInt, toHex } from "./bytes.js";

/** The order of the curve's group. */
export const N = 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n;

const BLOCK = 64;

/** The 32-byte digest of bytes. */
export const digestOf = (bytes) => fromHex(sm3(bytes), 32);

/** HMAC-SM3 under a key of at most 64 bytes. */
export function hmac(key, bytes) {
  const padded = joined(key, new Uint8Array(BLOCK - key.length));
  const inner = digestOf(joined(padded.map((byte) => byte ^ 0x36), bytes));
  return digestOf(joined(padded.map((byte) => byte ^ 0x5c), inner));
}

/** `04 x y` of a private key (32 bytes in [1, n-2]). */
function pointOf(key) {
  const d = toBigInt(key);
  if (key.length !== 32 || d < 1n || d > N - 2n) throw new RangeError("not a private key");
  return fromHex(sm2.getPublicKeyFromPrivateKey(toHex(key)), 65);
}

/** The 33 bytes `02|03 x` of a private key. */
export function publicKeyOf(key) {
  const point = pointOf(key);
  return joined(2 + (point[64] & 1), point.slice(1, 33));
}

/** e = SM3(Z | message) under a compressed public key and the default user id. */
export function messageDigest(publicKey, message) {
  return fromHex(sm2.getHash(toHex(message), toHex(publicKey)), 32);
}

/** r | s over a digest with the nonce k (a BigInt in [1, n-1], used this once). */
export function signDigest(key, digest, k) {
  if (k < 1n || k > N - 1n) throw new RangeError("the nonce is out of range");
  // k = n-1 is in range for a nonce, not for a key: its point has the x of G.
  const x1 = k === N - 1n ? pointOf(bigEndian(1, 32)) : pointOf(bigEndian(k, 32));
  const pool = [{ k, x1: toBigInt(x1.slice(1, 33)) }];
  return fromHex(sm2.doSignature(digest, toHex(key), { pointPool: pool }), 64);
}

/** Whether r | s is this compressed key's over a digest; malformed is false. */
export function holds(publicKey, digest, signature) {
  if (signature.length !== 64) return false;
  const [r, s] = [toBigInt(signature.slice(0, 32)), toBigInt(signature.slice(32))];
  if (r < 1n || r >= N || s < 1n || s >= N) return false;
  try {
    return sm2.doVerifySignature(digest, toHex(signature), toHex(publicKey));
  } catch {
    return false;
  }
}

/** Whether 33 bytes are `02|03 x` of a point of the curve. */
export function isPoint(publicKey) {
  if (publicKey.length !== 33 || (publicKey[0] !== 2 && publicKey[0] !== 3)) return false;
  try {
    // Decompressing finds out; hashing a message needs the point.
    sm2.getHash("", toHex(publicKey));
    return true;
  } catch {
    return false;
  }
}

/** ASCII and one zero byte: what every signature and label begins with. */
export const prefixOf = (words) => joined(ascii(words), 0);
