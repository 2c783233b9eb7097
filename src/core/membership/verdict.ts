/**
 * What a node says of another one that it listens to, for those who do not listen to it themselves, and for the accused
 * (SWIM: Das, Gupta, Motivala, DSN 2002, section 4.2: suspicion, incarnations and refutation).
 *
 * Verdicts are hearsay: they decide nothing where a node hears for itself, and they never feed its phi.
 */

/** A node that was found silent. One that is up has no verdict. */
export interface Verdict {
  /** Whom it is about. */
  readonly node: string;
  readonly state: 'suspect' | 'failed';
  /** The incarnation of the accused that it is about. Void once the accused has announced a higher one. */
  readonly incarnation: number;
}

/** A verdict of another node. */
export interface HeardVerdict extends Verdict {
  /** Who said it. */
  readonly by: string;
}

/** At most so many verdicts are published at once: a node listens to no more than this itself. */
export const verdictsMax = 64;

/** So many watchers must say `failed` before somebody who does not listen himself believes it: one may be cut off alone. */
export const believedFrom = 2;

/**
 * The state of a node that this node does not listen to itself. Verdicts about older incarnations, and those of nodes that
 * are not believed (`credible`), do not count.
 */
export function stateByVerdicts(
  verdicts: Iterable<HeardVerdict>,
  incarnation: number,
  credible: (by: string) => boolean,
): { readonly state: 'up' | 'suspect' | 'failed'; readonly by: readonly string[] } {
  const current = [...verdicts].filter(
    (verdict) => verdict.incarnation >= incarnation && credible(verdict.by),
  );
  const failed = current.filter((verdict) => verdict.state === 'failed').map((verdict) => verdict.by);
  if (failed.length >= believedFrom) return { state: 'failed', by: failed };
  if (current.length > 0) return { state: 'suspect', by: current.map((verdict) => verdict.by) };
  return { state: 'up', by: [] };
}
