/**
 * When to give up. The server answers a little before the client's deadline, because an ErrorDetail that comes after it
 * is never seen: gRPC then makes a DEADLINE_EXCEEDED of its own, without any.
 */

export interface DeadlineOptions {
  /** For calls without a deadline. */
  readonly requestMs: number;
  /** Longer deadlines are cut to this. */
  readonly requestMsMax: number;
  /** The least time kept for the way back; more for long deadlines (5 %), never more than half. */
  readonly deadlineMarginMs: number;
}

/** The margin for a deadline that is `leftMs` away. */
export function marginMs(leftMs: number, options: DeadlineOptions): number {
  return Math.min(Math.max(options.deadlineMarginMs, leftMs * 0.05), leftMs / 2);
}

/** How long the server may work on a request whose client waits `leftMs` more (`Infinity`: says nothing). May be negative. */
export function workMs(leftMs: number, options: DeadlineOptions): number {
  if (leftMs === Number.POSITIVE_INFINITY) return options.requestMs - marginMs(options.requestMs, options);
  const left = Math.min(leftMs, options.requestMsMax);
  return left <= 0 ? left : left - marginMs(left, options);
}
