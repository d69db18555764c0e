// The server's clock as its answers tell it: against the middle of each round trip, with by how much
// that may be off (docs/health-code-format.md §10).

const ROUND_TRIP_MAX_MS = 20_000;
const STOOD_STILL_MS = 1_000;
const HALF_SECOND_MS = 500;

/** `{ahead_ms, unsure_ms}` of one round trip, or null where it tells nothing: it took too long, or
 *  this device's clock was set meanwhile (`steady_ms` is what a clock that cannot be set measured).
 *  `said` is the answer's own `server_time`; `date` its Date header, cut to a second. */
export function readClock({ sent_ms, received_ms, steady_ms, said = null, date = null }) {
  const trip_ms = received_ms - sent_ms;
  if (!(trip_ms >= 0 && trip_ms <= ROUND_TRIP_MAX_MS) || Math.abs(trip_ms - steady_ms) > STOOD_STILL_MS) return null;
  const isExact = typeof said === "string";
  const server_ms = isExact ? Date.parse(said) : Date.parse(date ?? "") + HALF_SECOND_MS;
  if (Number.isNaN(server_ms)) return null;
  return {
    ahead_ms: server_ms - (sent_ms + trip_ms / 2),
    unsure_ms: trip_ms / 2 + (isExact ? 0 : HALF_SECOND_MS),
  };
}

/** The better of what was heard before and now; where they contradict each other, the newer. */
export function betterClock(before, heard) {
  if (before === null || heard === null) return heard ?? before;
  const apart_ms = Math.abs(heard.ahead_ms - before.ahead_ms);
  const isNewer = heard.unsure_ms <= before.unsure_ms || apart_ms > heard.unsure_ms + before.unsure_ms;
  return isNewer ? heard : before;
}
