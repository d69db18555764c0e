// Starts the kiosk over when nobody touches it, saying so second by second beforehand.

import { Countdown } from "../countdown.js";
import { t } from "../language.js";

export class Idle {
  constructor(kiosk) {
    this.kiosk = kiosk;
    this.countdown = null;
  }

  /** Returns after `life_s` without a touch; `key` is the text that counts down. `end` says what
   *  happens then, the start screen if nothing else. */
  watch(life_s, { key = "idle.words", end = () => this.kiosk.home(), quiet = false } = {}) {
    this.stop();
    this.life_s = life_s;
    this.countdown = new Countdown(life_s, {
      tick: (seconds) => { if (!quiet) this.kiosk.say(t(key, { seconds })); },
      done: () => {
        this.countdown = null;
        end();
      },
    });
  }

  retell() {
    this.countdown?.retell();
  }

  touched() {
    this.countdown?.extend(this.life_s);
  }

  stop() {
    this.countdown?.stop();
    this.countdown = null;
    this.kiosk.say("");
  }
}
