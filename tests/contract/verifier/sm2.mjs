// SM2 signatures, GB/T 32918, with the user id 1234567812345678. Not in constant time: it judges
// published examples and must not sign with a key that matters.

import { ascii, big, concat, hex, uint } from "./bytes.mjs";
import { sm3 } from "./sm3.mjs";

const P = 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn;
const A = P - 3n;
const B = 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n;
export const N = 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n;
const G = {
  x: 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n,
  y: 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n,
};
const USER_ID = ascii("1234567812345678");
const WINDOW = 4;
const INFINITY = { x: 1n, y: 1n, z: 0n };

const mod = (value, m) => ((value % m) + m) % m;

function power(base, exponent, m) {
  let result = 1n;
  for (; exponent; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % m;
    base = (base * base) % m;
  }
  return result;
}

const inverse = (value, m) => power(mod(value, m), m - 2n, m);

// Jacobian coordinates: x / z^2, y / z^3.
function double({ x, y, z }) {
  if (!z) return INFINITY;
  const zz = (z * z) % P;
  const yy = (y * y) % P;
  const s = (4n * x * yy) % P;
  const m = (3n * (x - zz) * (x + zz)) % P;
  const x2 = mod(m * m - 2n * s, P);
  return { x: x2, y: mod(m * (s - x2) - 8n * yy * yy, P), z: (2n * y * z) % P };
}

function add(one, other) {
  if (!one.z) return other;
  if (!other.z) return one;
  const z1 = (one.z * one.z) % P;
  const z2 = (other.z * other.z) % P;
  const u = (one.x * z2) % P;
  const s = (((one.y * z2) % P) * other.z) % P;
  const h = mod(other.x * z1 - u, P);
  const r = mod(((other.y * z1) % P) * one.z - s, P);
  if (!h) return r ? INFINITY : double(one);
  const hh = (h * h) % P;
  const hhh = (h * hh) % P;
  const v = (u * hh) % P;
  const x = mod(r * r - hhh - 2n * v, P);
  return { x, y: mod(r * (v - x) - s * hhh, P), z: (((one.z * other.z) % P) * h) % P };
}

function multiples(point) {
  const table = [INFINITY];
  for (let i = 1; i < 1 << WINDOW; i++) table.push(add(table[i - 1], { ...point, z: 1n }));
  return table;
}

const TIMES_G = multiples(G);

// The sum of scalar * point over pairs of scalar and table of multiples, in affine coordinates.
function combine(...terms) {
  let sum = INFINITY;
  for (let shift = 256 - WINDOW; shift >= 0; shift -= WINDOW) {
    for (let i = 0; i < WINDOW; i++) sum = double(sum);
    for (const [scalar, table] of terms) {
      sum = add(sum, table[Number((scalar >> BigInt(shift)) & 15n)]);
    }
  }
  if (!sum.z) return null;
  const z = inverse(sum.z, P);
  return { x: (sum.x * z * z) % P, y: (sum.y * z * z * z) % P };
}

function decompress(bytes) {
  if (bytes.length !== 33 || (bytes[0] !== 2 && bytes[0] !== 3)) return null;
  const x = big(bytes.subarray(1));
  if (x >= P) return null;
  const square = mod(x * x * x + A * x + B, P);
  const root = power(square, (P + 1n) / 4n, P);
  if ((root * root) % P !== square) return null;
  return { x, y: (root & 1n) === BigInt(bytes[0] & 1) ? root : P - root };
}

// Lists, roots and tills come back in nearly every case.
const known = new Map();
function opened(publicKey) {
  const name = hex(publicKey);
  if (!known.has(name)) {
    const point = decompress(publicKey);
    known.set(name, point && { point, table: multiples(point) });
  }
  return known.get(name);
}

export const isPoint = (publicKey) => opened(publicKey) !== null;

export function publicKeyOf(d) {
  const { x, y } = combine([d, TIMES_G]);
  return concat(uint(2n + (y & 1n), 1), uint(x, 32));
}

export function digest(publicKey, message) {
  const { point } = opened(publicKey);
  const curve = [A, B, G.x, G.y, point.x, point.y].map((value) => uint(value, 32));
  return sm3(sm3(uint(8 * USER_ID.length, 2), USER_ID, ...curve), message);
}

function holds(publicKey, message, signature) {
  if (!opened(publicKey) || signature.length !== 64) return false;
  const r = big(signature.subarray(0, 32));
  const s = big(signature.subarray(32));
  if (r < 1n || r >= N || s < 1n || s >= N) return false;
  const t = (r + s) % N;
  if (!t) return false;
  const point = combine([s, TIMES_G], [t, opened(publicKey).table]);
  return point !== null && (big(digest(publicKey, message)) + point.x) % N === r;
}

const judged = new Map();
export function verify(publicKey, message, signature) {
  const question = [publicKey, message, signature].map(hex).join();
  if (!judged.has(question)) judged.set(question, holds(publicKey, message, signature));
  return judged.get(question);
}

// Null for a nonce with r = 0, r + k = n or s = 0.
export function signOrDrop(d, message, nonce) {
  const e = big(digest(publicKeyOf(d), message));
  const r = (e + combine([nonce, TIMES_G]).x) % N;
  const s = (inverse(1n + d, N) * mod(nonce - r * d, N)) % N;
  return !r || r + nonce === N || !s ? null : concat(uint(r, 32), uint(s, 32));
}

export function sign(d, message, nonce) {
  const signature = signOrDrop(d, message, nonce);
  if (!signature) throw new Error("this nonce gives no signature");
  return signature;
}
