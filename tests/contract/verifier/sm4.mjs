// SM4, GB/T 32907: one block.

import { fromHex } from "./bytes.mjs";

const SBOX = fromHex(
  "d690e9fecce13db716b614c228fb2c052b679a762abe04c3aa44132649860699" +
    "9c4250f491ef987a33540b43edcfac62e4b31ca9c908e89580df94fa758f3fa6" +
    "4707a7fcf37317ba83593c19e6854fa8686b81b27164da8bf8eb0f4b70569d35" +
    "1e240e5e6358d1a225227c3b01217887d40046579fd327524c3602e7a0c4c89e" +
    "eabf8ad240c738b5a3f7f2cef96115a1e0ae5da49b341a55ad933230f58cb1e3" +
    "1df6e22e8266ca60c02923ab0d534e6fd5db3745defd8e2f03ff6a726d6c5b51" +
    "8d1baf92bbddbc7f11d95c411f105ad80ac13188a5cd7bbd2d74d012b8e5b4b0" +
    "8969974a0c96777e65b9f109c56ec68418f07dec3adc4d2079ee5f3ed7cb3948",
);
const FK = [0xa3b1bac6, 0x56aa3350, 0x677d9197, 0xb27022dc];

const rotate = (word, by) => (word << by) | (word >>> (32 - by));
const join = (bytes) => bytes.reduce((word, byte) => (word << 8) | byte, 0);
const split = (word) => [24, 16, 8, 0].map((by) => (word >>> by) & 255);
const words = (bytes) => [0, 4, 8, 12].map((at) => join(bytes.subarray(at, at + 4)));
const substitute = (word) => join(split(word).map((byte) => SBOX[byte]));

function roundKeys(key) {
  const k = words(key).map((word, i) => word ^ FK[i]);
  for (let i = 0; i < 32; i++) {
    const constant = join([0, 1, 2, 3].map((j) => ((4 * i + j) * 7) & 255));
    const mixed = substitute(k[i + 1] ^ k[i + 2] ^ k[i + 3] ^ constant);
    k.push(k[i] ^ mixed ^ rotate(mixed, 13) ^ rotate(mixed, 23));
  }
  return k.slice(4);
}

function crypt(keys, block) {
  const x = words(block);
  keys.forEach((key, i) => {
    const t = substitute(x[i + 1] ^ x[i + 2] ^ x[i + 3] ^ key);
    x.push(x[i] ^ t ^ rotate(t, 2) ^ rotate(t, 10) ^ rotate(t, 18) ^ rotate(t, 24));
  });
  return Uint8Array.from(x.slice(32).reverse().flatMap(split));
}

export const encryptBlock = (key, block) => crypt(roundKeys(key), block);
export const decryptBlock = (key, block) => crypt(roundKeys(key).reverse(), block);
