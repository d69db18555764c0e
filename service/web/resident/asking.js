// Asks before what cannot be undone. The way back is the larger button, and has the focus: a second
// tap at the same place changes nothing.

import { h, button } from "../element.js";
import { t } from "../language.js";

/** Puts the question in `place`: `what` would be done, what that costs (`more`), `sure` to `act`. */
export function ask(place, { what, more, sure, act, back }) {
  const stay = button("button.button.is-main", t("back"), back);
  place.replaceChildren(
    h("div.notice", { role: "alert" }, h("p.notice-what", {}, what), h("p", {}, more)),
    stay, button("button.button.is-quiet", sure, act));
  place.scrollIntoView({ block: "nearest" });
  stay.focus({ preventScroll: true });
}
