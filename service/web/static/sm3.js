// SM3 (GB/T 32905-2016) and HMAC-SM3 (GM/T 0042-2015) over Uint8Array. Checked in the browser
// against tests/vectors/sm.json. Browsers offer no SM3, and no library is loaded for it.

const START = [
  0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600,
  0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e,
];
const BLOCK = 64;

const turn = (word, by) => (word << by) | (word >>> (32 - by));
const p0 = (word) => word ^ turn(word, 9) ^ turn(word, 17);
const p1 = (word) => word ^ turn(word, 15) ^ turn(word, 23);

// T_j turned left by j mod 32, for the 64 rounds.
const TURNED = Array.from({ length: 64 }, (_, j) =>
  j % 32 === 0
    ? (j < 16 ? 0x79cc4519 : 0x7a879d8a)
    : turn(j < 16 ? 0x79cc4519 : 0x7a879d8a, j % 32),
);

function expand(view, offset, words) {
  for (let j = 0; j < 16; j += 1) words[j] = view.getInt32(offset + 4 * j);
  for (let j = 16; j < 68; j += 1) {
    words[j] =
      p1(words[j - 16] ^ words[j - 9] ^ turn(words[j - 3], 15)) ^
      turn(words[j - 13], 7) ^ words[j - 6];
  }
}

function compress(state, words) {
  let [a, b, c, d, e, f, g, h] = state;
  for (let j = 0; j < 64; j += 1) {
    const a12 = turn(a, 12);
    const ss1 = turn((a12 + e + TURNED[j]) | 0, 7);
    const ff = j < 16 ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
    const gg = j < 16 ? e ^ f ^ g : (e & f) | (~e & g);
    const tt1 = (ff + d + (ss1 ^ a12) + (words[j] ^ words[j + 4])) | 0;
    const tt2 = (gg + h + ss1 + words[j]) | 0;
    [d, c, b, a] = [c, turn(b, 9), a, tt1];
    [h, g, f, e] = [g, turn(f, 19), e, p0(tt2)];
  }
  const after = [a, b, c, d, e, f, g, h];
  for (let i = 0; i < 8; i += 1) state[i] ^= after[i];
}

/** The 32-byte digest of a message shorter than 512 MiB. */
export function sm3(message) {
  const blocks = Math.floor((message.length + 8) / BLOCK) + 1;
  const padded = new Uint8Array(blocks * BLOCK);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(message.length / 0x20000000));
  view.setUint32(padded.length - 4, (message.length << 3) >>> 0);
  const state = Int32Array.from(START);
  const words = new Int32Array(68);
  for (let block = 0; block < blocks; block += 1) {
    expand(view, block * BLOCK, words);
    compress(state, words);
  }
  const digest = new Uint8Array(32);
  const out = new DataView(digest.buffer);
  state.forEach((word, i) => out.setInt32(4 * i, word));
  return digest;
}

/** The 32-byte HMAC-SM3 of a message under a key of any length. */
export function hmacSm3(key, message) {
  const padded = new Uint8Array(BLOCK);
  padded.set(key.length > BLOCK ? sm3(key) : key);
  const inner = joined(padded.map((byte) => byte ^ 0x36), message);
  return sm3(joined(padded.map((byte) => byte ^ 0x5c), sm3(inner)));
}

/** The parts one after the other. */
export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
