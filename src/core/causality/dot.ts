/**
 * Dots: one dot names one write of one key, for ever (Preguica, Baquero et al., "Dotted Version Vectors", 2010).
 *
 * An actor is a data store at one epoch. The epoch is renewed whenever the store cannot prove that it remembers what it
 * did to a key, so that a counter is never used for two writes (`actor.ts` has the rule).
 */

import type { ReplicaId } from '../identity.ts';

export interface Actor {
  readonly replica: ReplicaId;
  /** Unsigned 32-bit, from 1. */
  readonly epoch: number;
}

export interface Dot extends Actor {
  /** Contiguous per key and actor, from 1. Below 2^53. */
  readonly counter: number;
}

/** Total order of actors: by replica, then epoch. Part of the canonical encoding: may not change. */
export function compareActors(a: Actor, b: Actor): number {
  return a.replica - b.replica || a.epoch - b.epoch;
}

/** Total order of dots: by actor, then counter. Part of the canonical encoding: may not change. */
export function compareDots(a: Dot, b: Dot): number {
  return a.replica - b.replica || a.epoch - b.epoch || a.counter - b.counter;
}

export function sameDot(a: Dot, b: Dot): boolean {
  return a.counter === b.counter && a.replica === b.replica && a.epoch === b.epoch;
}

/** For people and logs: replica in hexadecimal, epoch, counter. */
export function dotText(dot: Dot): string {
  return `${dot.replica.toString(16).padStart(14, '0')}:${dot.epoch}:${dot.counter}`;
}
