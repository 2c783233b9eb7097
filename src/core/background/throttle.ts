/** What work that no client waits for asks before it goes on: see background-governor.ts. */

/**
 * Kinds of background work, in the order of their priority: `urgent` is what somebody may already miss (hints, repairs of keys
 * that a read found), then `comparison` (anti-entropy and what it repairs), then `rebuild` (trees read from the disk).
 */
export type BackgroundClass = 'urgent' | 'comparison' | 'rebuild';

/** All classes, the most urgent first. */
export const backgroundClasses: readonly BackgroundClass[] = ['urgent', 'comparison', 'rebuild'];

/** Where background work takes the tokens for what it is about to do, before it does it. */
export interface Throttle {
  /**
   * Resolves when work on so many keys and so many bytes (read, sent or written) may go on; first come, first served. Never
   * rejects. A cost larger than a second's rate is granted as well: those behind it wait for that. After a stop it resolves at
   * once, so that loops come to see that they were stopped.
   */
  take(keys: number, bytes: number): Promise<void>;
}

/** Lets everything through: for tests, and where nothing is to be held back. */
export const unthrottled: Throttle = { take: () => Promise.resolve() };
