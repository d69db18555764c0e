// Counts down to a moment of the server's clock, on the browser's steady clock.

const now_ms = () => performance.now();

/** Calls `tick(seconds, share)` at every whole second and `done()` at the end. */
export class Countdown {
  constructor(life_s, { tick, done, whole_s = life_s }) {
    this.end_ms = now_ms() + life_s * 1_000;
    this.whole_ms = Math.max(1, whole_s) * 1_000;
    this.tick = tick;
    this.done = done;
    this.timer = null;
    this.beat();
  }

  left_ms() {
    return Math.max(0, this.end_ms - now_ms());
  }

  beat() {
    const left = this.left_ms();
    this.tick(Math.ceil(left / 1_000), Math.min(1, left / this.whole_ms));
    if (left === 0) {
      this.timer = null;
      this.done();
      return;
    }
    this.timer = setTimeout(() => this.beat(), (left % 1_000) || 1_000);
  }

  /** Says again where it stands, for a page that has changed its language. */
  retell() {
    const left = this.left_ms();
    this.tick(Math.ceil(left / 1_000), Math.min(1, left / this.whole_ms));
  }

  extend(life_s) {
    this.stop();
    this.end_ms = now_ms() + life_s * 1_000;
    this.whole_ms = life_s * 1_000;
    this.beat();
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
  }
}
