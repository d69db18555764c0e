// A terminal's signature over its request and the check of the system's over the answer.
// The same eight lines as service/kernel/signed_requests.py; change both or neither.

import { hmacSm3, joined } from "./sm3.js";

const SCHEME = "YIMATONG-HMAC-SM3";
const bytesOf = (text) => new TextEncoder().encode(text);

export function base64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

/** Raises when the text is not base64. */
export function unbase64(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/** 32 hexadecimal digits, never used before. */
export function freshNonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The bytes that a request's signature covers; `body` is the bytes as sent. */
export function textToSign({ callerId, method, host, target, timestamp, nonce, key, body }) {
  const lines = [callerId, method, host.toLowerCase(), target, timestamp, nonce, key];
  return joined(bytesOf(lines.map((line) => `${line}\n`).join("")), body, bytesOf("\n"));
}

/** The Authorization header of a request. */
export function authorization(secret, request) {
  const signature = base64(hmacSm3(secret, textToSign(request)));
  return `${SCHEME} id="${request.callerId}",timestamp="${request.timestamp}",` +
    `nonce="${request.nonce}",signature="${signature}"`;
}

/** Whether an answer's signature covers this status, our nonce and this body. */
export function answerHolds(secret, { status, nonce, body, signature }) {
  let given;
  try {
    given = unbase64(signature);
  } catch {
    return false;
  }
  const due = hmacSm3(secret, joined(bytesOf(`${status}\n${nonce}\n`), body));
  if (given.length !== due.length) return false;
  return due.reduce((differing, byte, i) => differing | (byte ^ given[i]), 0) === 0;
}
