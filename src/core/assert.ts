/** Programming mistakes. Operating errors (a full disk, a slow peer) never come through here. */

/** Throws when `condition` is false: the caller broke a rule that this code relies on. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Ends an exhaustive switch: the compiler proves that it is never reached. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
