/**
 * The faults of seeds that are about something (`PlanProfile`): much of one thing, told as a story where it needs one, and a
 * little of others around it. What a mixture of everything brings about once in thousands of seeds comes here in most.
 */

import type { SeededRandom } from '../../support/seeded-random.ts';
import { type CommonFault, drawTimed, numbered, type Timed } from './draw-faults.ts';
import type { FaultPlan, PlanProfile } from './seed-plan.ts';

export interface ProfileField {
  readonly nodes: readonly string[];
  readonly spanMs: number;
  readonly buffers: boolean;
}

type Drawn = Exclude<PlanProfile, 'mixed'>;

/** The faults of a seed with this profile, in the order of their times. */
export function drawProfileFaults(
  random: SeededRandom,
  profile: Drawn,
  field: ProfileField,
): readonly FaultPlan[] {
  return numbered(new ProfileDraw(random, field).draw(profile));
}

class ProfileDraw {
  readonly #random: SeededRandom;
  readonly #field: ProfileField;
  /** What the seed is about happens to this node. */
  readonly #victim: string;

  constructor(random: SeededRandom, field: ProfileField) {
    this.#random = random;
    this.#field = field;
    this.#victim = random.pick(field.nodes);
  }

  draw(profile: Drawn): readonly Timed[] {
    const random = this.#random;
    switch (profile) {
      case 'quiet':
        return [];
      case 'crash':
        return this.#around(['crash', 'crash', 'crash', 'crash', 'restart', 'disk-error', 'cut'], [10, 18]);
      case 'pause':
        return this.#around(['suspend', 'suspend', 'suspend', 'slow-process', 'clock-stop', 'cut'], [10, 18]);
      case 'partition':
        return this.#around(
          ['partition', 'partition', 'partition', 'half-open', 'cut', 'client-cut'],
          [10, 18],
        );
      case 'skew':
        return this.#around(
          ['clock-jump', 'clock-jump', 'clock-jump', 'clock-stop', 'crash', 'partition'],
          [10, 18],
        );
      case 'wiped-disk':
        return [...this.#losses('wipe'), ...this.#aroundLosses([8, 14])];
      case 'restored-disk':
        return [...this.#losses('restore'), ...this.#aroundLosses([8, 14])];
      case 'slow-peers':
        return [
          ...this.#slowness(),
          ...this.#around(['slow-link', 'slow-disk', 'slow-process', 'suspend'], [3, 6]),
        ];
      case 'long-absence':
        return [...this.#longAbsence(), ...this.#around(['cut', 'crash', 'partition', 'slow-link'], [2, 6])];
      case 'deletes': {
        const loses = random.percent(30);
        const kinds: readonly CommonFault[] = [
          'crash',
          'restart',
          'cut',
          'partition',
          'half-open',
          'slow-link',
          'suspend',
          // How old a tombstone is must not be told by one clock alone.
          'clock-jump',
        ];
        return [
          ...this.#absences(),
          ...(loses ? this.#losses(random.pick(['wipe', 'restore', 'restore'])) : []),
          ...(loses ? this.#aroundLosses([2, 6]) : this.#around(kinds, [3, 8])),
        ];
      }
    }
  }

  #around(kinds: readonly CommonFault[], [least, most]: readonly [number, number]): readonly Timed[] {
    const random = this.#random;
    return drawTimed(random, { ...this.#field, only: { kinds, count: random.between(least, most) } });
  }

  /** Beside a disk that forgets no other machine may lose power. */
  #aroundLosses([least, most]: readonly [number, number]): readonly Timed[] {
    const random = this.#random;
    const kinds = ['crash', 'restart', 'partition', 'cut', 'suspend', 'client-cut'] as const;
    const only = { kinds, count: random.between(least, most), powerOf: [this.#victim] };
    return drawTimed(random, { ...this.#field, only });
  }

  /** The disk of the victim is emptied, or put back by anything between a moment and all its life. */
  #losses(kind: 'wipe' | 'restore'): readonly Timed[] {
    const random = this.#random;
    const node = this.#victim;
    return Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, (): Timed => {
      const atMs = random.between(1_500, this.#field.spanMs - 500);
      const downMs = random.between(10, random.pick([400, 3_000]));
      if (kind === 'wipe') return { atMs, kind, node, downMs };
      return { atMs, kind, node, downMs, ageMs: random.between(100, random.pick([1_000, atMs, atMs])) };
    });
  }

  /** One or two nodes answer late for most of the run, each for its own reason. */
  #slowness(): readonly Timed[] {
    const random = this.#random;
    const nodes = random.percent(40)
      ? [this.#victim, random.pick(this.#others(this.#victim))]
      : [this.#victim];
    return nodes.flatMap((node) => this.#slow(node));
  }

  #slow(node: string): readonly Timed[] {
    const random = this.#random;
    const atMs = random.between(300, 3_000);
    const forMs = random.between(Math.floor(this.#field.spanMs / 3), this.#field.spanMs);
    switch (random.pick(['links', 'links', 'disk', 'process'] as const)) {
      case 'links': {
        const extraMs = random.between(20, random.pick([100, 400, 1_500]));
        return this.#others(node).flatMap((other): Timed[] => [
          { atMs, kind: 'slow-link', from: node, to: other, extraMs, forMs },
          { atMs, kind: 'slow-link', from: other, to: node, extraMs, forMs },
        ]);
      }
      case 'disk':
        return [{ atMs, kind: 'slow-disk', node, factor: random.pick([10, 50, 200]), forMs }];
      case 'process': {
        const lagMs = random.between(20, random.pick([100, 400]));
        return [{ atMs, kind: 'slow-process', node, lagMs, forMs }];
      }
    }
  }

  /** The victim misses nearly everything, and comes back before the end, or when all faults end. */
  #longAbsence(): readonly Timed[] {
    const random = this.#random;
    const { spanMs } = this.#field;
    const atMs = random.between(500, 8_000);
    const endMs = random.percent(30)
      ? spanMs + 1_000
      : random.between(Math.floor(spanMs * 0.7), spanMs - 2_000);
    return this.#absence(this.#victim, atMs, endMs - atMs);
  }

  /** Replicas are away for a while: when something is deleted, when it is collected, or all the time between. */
  #absences(): readonly Timed[] {
    const random = this.#random;
    const { spanMs } = this.#field;
    const some = [this.#victim, random.pick(this.#field.nodes), random.pick(this.#field.nodes)];
    const absences: Timed[] = [];
    let atMs = random.between(500, 4_000);
    while (atMs < spanMs - 3_000) {
      const forMs = random.between(300, random.pick([2_000, 6_000, 20_000]));
      absences.push(...this.#absence(random.pick(some), atMs, Math.min(forMs, spanMs - atMs)));
      // One after the other: with two of three away for long nobody deletes anything.
      atMs += forMs + random.between(500, random.pick([3_000, 10_000]));
    }
    return absences;
  }

  /** The node is not there for anybody, by one of the ways in which that comes about. */
  #absence(node: string, atMs: number, forMs: number): readonly Timed[] {
    const random = this.#random;
    switch (random.pick(['crash', 'isolation', 'isolation', 'deaf', 'suspend'] as const)) {
      case 'crash':
        return [{ atMs, kind: 'crash', node, downMs: forMs, power: false, midWrite: random.percent(60) }];
      case 'isolation':
        return [{ atMs, kind: 'partition', from: [node], to: this.#others(node), direction: 'both', forMs }];
      case 'deaf':
        return [
          { atMs, kind: 'partition', from: this.#others(node), to: [node], direction: 'one-way', forMs },
        ];
      case 'suspend':
        return [{ atMs, kind: 'suspend', node, forMs }];
    }
  }

  #others(node: string): readonly string[] {
    return this.#field.nodes.filter((other) => other !== node);
  }
}
