// Reads fixed fields from the front of a signed form; a RangeError where the bytes end too early.

import { toBigInt, toNumber } from "./bytes.js";

export class Fields {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  take(size) {
    const piece = this.bytes.slice(this.at, this.at + size);
    if (piece.length !== size) throw new RangeError("the bytes end before the form does");
    this.at += size;
    return piece;
  }

  whole(size) {
    return toNumber(this.take(size));
  }

  big(size) {
    return toBigInt(this.take(size));
  }

  get isDone() {
    return this.at === this.bytes.length;
  }
}
