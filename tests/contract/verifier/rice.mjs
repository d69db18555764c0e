// Sections (§8): rising numbers as bits.

import { demand, pack } from "./bytes.mjs";

export const NUMBERS_MAX = 1_000_000;

function bestParameter(gaps) {
  let k = 0n;
  const halves = () => gaps.reduce((sum, gap) => sum + ((gap >> k) + 1n) / 2n, 0n);
  while (halves() > BigInt(gaps.length)) k++;
  return k;
}

export function writeSection(numbers) {
  const gaps = numbers.map((number, i) => (i ? number - numbers[i - 1] - 1n : number));
  const k = bestParameter(gaps);
  let bits = "";
  for (const gap of gaps) {
    bits += "1".repeat(Number(gap >> k)) + "0";
    if (k) bits += (gap & ((1n << k) - 1n)).toString(2).padStart(Number(k), "0");
  }
  const filled = (bits.match(/.{1,8}/g) ?? []).map((byte) => parseInt(byte.padEnd(8, "0"), 2));
  return pack([k, 1], [numbers.length, 4], Uint8Array.from(filled));
}

function* bitsOf(cursor) {
  for (;;) {
    const [byte] = cursor.numbers(1);
    for (let left = 7; left >= 0; left--) yield { bit: (byte >> left) & 1, left };
  }
}

export function readSection(cursor, width) {
  const [k, count] = cursor.numbers(1, 4);
  demand(k <= 63 && count <= NUMBERS_MAX, cursor.code);
  const bits = bitsOf(cursor);
  let left = 0;
  const next = () => {
    const { value } = bits.next();
    left = value.left;
    return value.bit;
  };
  const [numbers, gaps] = [[], []];
  for (let last = -1n; numbers.length < count; ) {
    let gap = 0n;
    while (next()) gap++;
    for (let i = 0; i < k; i++) gap = (gap << 1n) | BigInt(next());
    last += gap + 1n;
    demand(last < 1n << BigInt(width), cursor.code);
    gaps.push(gap);
    numbers.push(last);
  }
  while (left) demand(next() === 0, cursor.code);
  demand(BigInt(k) === bestParameter(gaps), cursor.code);
  return numbers;
}
