/** How long to wait between attempts: exponential backoff with full jitter. */

const FIRST_MS = 25;
const LONGEST_MS = 1000;

/** Milliseconds to wait after attempt number `attempt`, from 1. `random` is from 0 to 1, never less than `atLeastMs`. */
export function backoffMs(attempt: number, random: number, atLeastMs = 0): number {
  return Math.max(atLeastMs, random * Math.min(LONGEST_MS, FIRST_MS * 2 ** (attempt - 1)));
}
