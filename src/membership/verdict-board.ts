/** Where nodes write what they found out about others, for all to read: spread by gossip, declared here for the detector. */

import type { HeardVerdict, Verdict } from '../core/membership/verdict.ts';

/** Spreads verdicts and incarnations. What it tells is hearsay, and late by some rounds of gossip. */
export interface VerdictBoard {
  /** Puts all verdicts of this node, at most `verdictsMax`, in place of those that it published before. Called on changes only. */
  publish(verdicts: readonly Verdict[]): void;
  /** Makes this node's new incarnation known: it refutes all verdicts about older ones. Called on changes only. */
  announce(incarnation: number): void;
  /** The incarnation that a node has announced last, in its newest generation. 0: none. */
  incarnationOf(node: string): number;
  /** What the others, without this node, say of a node (this one, too) now: each its newest word. */
  verdictsOn(node: string): Iterable<HeardVerdict>;
  /**
   * Calls back after news came in: with every node whose incarnation or verdicts may have changed, this node included when
   * it is accused. The callback may publish and announce.
   */
  onNews(listener: (nodes: Iterable<string>) => void): void;
}

/** For a node that gossips with nobody. */
export const noVerdictBoard: VerdictBoard = {
  publish: () => {},
  announce: () => {},
  incarnationOf: () => 0,
  verdictsOn: () => [],
  onNews: () => {},
};
