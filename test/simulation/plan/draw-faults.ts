/** Draws the faults of a plan: which, of whom, when, for how long. */

import type { SeededRandom } from '../../support/seeded-random.ts';
import type { FaultKind, FaultPlan } from './seed-plan.ts';

/** Where the faults happen. */
export interface FaultField {
  readonly nodes: readonly string[];
  /** They begin before this. */
  readonly spanMs: number;
  /** Many writes do not wait for the disk: then it pays to take the power away. */
  readonly buffers: boolean;
  /** Faults of these kinds and no others; absent: a mixture that is drawn. */
  readonly only?: OnlyFaults | undefined;
}

/** What is left of the mixture where a seed is about something. */
export interface OnlyFaults {
  /** Each as often as it is to weigh; the first happens in any case. */
  readonly kinds: readonly CommonFault[];
  readonly count: number;
  /** The machines that may lose power; absent: any, in most seeds. */
  readonly powerOf?: readonly string[] | undefined;
}

type FaultName = FaultKind['kind'];
/** A fault before it is numbered. */
export type Timed = FaultKind & { readonly atMs: number };

/** Kinds that are drawn one by one. The others, which destroy memory, are placed apart: they keep to one node. */
const common: readonly CommonFault[] = [
  'crash',
  'suspend',
  'restart',
  'partition',
  'cut',
  'slow-link',
  'half-open',
  'client-cut',
  'slow-process',
  'slow-disk',
  'disk-error',
  'read-error',
  'disk-full',
  'clock-jump',
  'clock-stop',
];

/** A kind of fault that destroys nothing that was fsynced. */
export type CommonFault = Exclude<FaultName, 'bit-flip' | 'wipe' | 'restore'>;

/** An outage that is longer than this is long: at most a minority may have one at a time. */
const longMs = 1000;

/** At least ten faults (but for `only`), in the order of their times, numbered from 1. */
export function drawFaults(random: SeededRandom, field: FaultField): readonly FaultPlan[] {
  return numbered(drawTimed(random, field));
}

/** The same, before they are numbered among others. */
export function drawTimed(random: SeededRandom, field: FaultField): readonly Timed[] {
  return new FaultDraw(random, field).draw();
}

/** In the order of their times. Sorting is stable, so those at one moment stay in the order in which they were drawn. */
export function numbered(faults: readonly Timed[]): readonly FaultPlan[] {
  return [...faults].sort((a, b) => a.atMs - b.atMs).map((fault, index) => ({ id: index + 1, ...fault }));
}

class FaultDraw {
  readonly #random: SeededRandom;
  readonly #field: FaultField;
  readonly #drawn: Timed[] = [];
  readonly #outages: { readonly node: string; readonly fromMs: number; readonly toMs: number }[] = [];
  /** The only node that may forget what it had synced. */
  readonly #victim: string;
  /** In percent: how many outages are of some length, or long. */
  readonly #severity: number;
  /** Where times gather, if they do. */
  readonly #centresMs: readonly number[];
  /** Whether every machine may lose power, which is so where no disk loses more than that. */
  #powerAnywhere = true;
  /** The only ones that may, where a seed says which. */
  readonly #powerOf: readonly string[];

  constructor(random: SeededRandom, field: FaultField) {
    this.#random = random;
    this.#field = field;
    this.#victim = random.pick(field.nodes);
    this.#powerOf = field.only?.powerOf ?? [this.#victim];
    this.#severity = random.pick([5, 20, 20, 50]);
    const centres = random.pick([0, 0, 2, 4]);
    this.#centresMs = Array.from({ length: centres }, () => random.between(1000, field.spanMs - 1000));
  }

  draw(): readonly Timed[] {
    const random = this.#random;
    const { only } = this.#field;
    if (only !== undefined) {
      this.#powerAnywhere = only.powerOf === undefined && random.percent(70);
      // One of the first kind at least, which the seed is named after.
      this.#drawn.push(...this.#drawOne(only.kinds[0] as CommonFault));
      while (this.#drawn.length < only.count) this.#drawn.push(...this.#drawOne(random.pick(only.kinds)));
      return this.#drawn;
    }
    const count = random.between(10, 20);
    const loses = random.percent(25);
    const rots = random.percent(30);
    const blacksOut = random.percent(10);
    const isLonely = random.percent(20);
    this.#powerAnywhere = !loses && !rots && random.percent(this.#field.buffers ? 100 : 70);
    if (loses) this.#drawLosses();
    if (rots) this.#drawRot();
    if (blacksOut) this.#drawBlackout();
    if (isLonely) this.#drawLoneliness();
    if (this.#field.buffers) this.#drawPowerCuts();
    const bag = this.#drawKinds();
    while (this.#drawn.length < count) this.#drawn.push(...this.#drawOne(random.pick(bag)));
    return this.#drawn;
  }

  /** Each kind as often as it weighs in this seed. */
  #drawKinds(): readonly FaultName[] {
    const random = this.#random;
    for (;;) {
      const weights = common.map(() => random.pick([0, 0, 0, 1, 1, 1, 3, 3, 9]));
      if (weights.filter((weight) => weight > 0).length < 3) continue;
      return common.flatMap((kind, index) => Array.from({ length: weights[index] as number }, () => kind));
    }
  }

  #drawLosses(): void {
    const random = this.#random;
    const node = this.#victim;
    const count = random.pick([1, 1, 2]);
    for (let i = 0; i < count; i++) {
      const atMs = random.between(2000, this.#field.spanMs - 500);
      const downMs = this.#outage(node, atMs);
      const ageMs = random.between(100, random.pick([1000, atMs]));
      this.#drawn.push(
        random.percent(50)
          ? { atMs, kind: 'wipe', node, downMs }
          : { atMs, kind: 'restore', node, ageMs, downMs },
      );
    }
  }

  #drawRot(): void {
    const random = this.#random;
    const count = random.between(1, 3);
    for (let i = 0; i < count; i++) {
      const atMs = random.between(1000, this.#field.spanMs - 500);
      this.#drawn.push({ atMs, kind: 'bit-flip', node: this.#victim, records: random.between(1, 4) });
    }
    if (random.percent(40)) this.#drawRotAfterAbsence();
  }

  /**
   * A node is away while the others go on, and when it comes back the disk of the victim, which may be the same node, has
   * rotted: what only one of the two knows is what a repair must not forget. Connections may break, so that nothing of the time
   * alone comes late.
   */
  #drawRotAfterAbsence(): void {
    const random = this.#random;
    const away = random.percent(50) ? this.#victim : random.pick(this.#others(this.#victim));
    const forMs = random.between(400, 2500);
    const atMs = random.between(1000, Math.max(1001, this.#field.spanMs - 2000 - forMs));
    this.#drawn.push(this.#isolation(away, atMs, forMs));
    if (random.percent(60)) this.#drawn.push(...this.#cutOff(away, atMs + forMs - random.between(150, 300)));
    this.#drawn.push({
      atMs: atMs + forMs - random.between(0, 150),
      kind: 'bit-flip',
      node: this.#victim,
      records: 100,
    });
  }

  /**
   * A node is alone for so long that it takes the others for dead, and again as soon as it has found them: it keeps hints for
   * them, begins to hand them over, and does not end. Its own disk may be slow then, its process may die, and its
   * connections may break while nothing passes.
   */
  #drawLoneliness(): void {
    const random = this.#random;
    const node = random.pick(this.#field.nodes);
    const isSlow = random.percent(50);
    let atMs = random.between(500, 3000);
    while (atMs < this.#field.spanMs - 2500) {
      const forMs = random.between(1800, random.pick([3000, 5000]));
      this.#drawn.push(this.#isolation(node, atMs, forMs));
      if (random.percent(50)) {
        this.#drawn.push(...this.#cutOff(node, atMs + random.between(200, 1500)));
      }
      if (isSlow) {
        const factor = random.pick([10, 50, 200]);
        this.#drawn.push({ atMs: atMs + 1400, kind: 'slow-disk', node, factor, forMs: forMs - 1400 });
      }
      if (random.percent(isSlow ? 80 : 30)) {
        const crashMs = atMs + random.between(1600, forMs);
        this.#drawn.push({
          atMs: crashMs,
          kind: 'crash',
          node,
          downMs: random.between(10, 600),
          power: false,
        });
      }
      atMs += forMs + (random.percent(70) ? random.between(50, 900) : random.between(900, 4000));
      if (random.percent(20)) break;
    }
  }

  /** Machines lose power while something waits to be written back. */
  #drawPowerCuts(): void {
    const random = this.#random;
    const count = random.between(4, 9);
    for (let i = 0; i < count; i++) {
      const node = this.#powerAnywhere ? random.pick(this.#field.nodes) : this.#victim;
      const atMs = random.between(1000, this.#field.spanMs - 500);
      const downMs = random.between(10, random.pick([300, longMs]));
      this.#drawn.push({ atMs, kind: 'crash', node, downMs, power: true, midWrite: random.percent(60) });
    }
  }

  #isolation(node: string, atMs: number, forMs: number): Timed {
    const to = this.#others(node);
    return { atMs, kind: 'partition', from: [node], to, direction: 'both', forMs };
  }

  /** All streams of the node break. */
  #cutOff(from: string, atMs: number): readonly Timed[] {
    return this.#others(from).map((to) => ({ atMs, kind: 'cut', from, to }));
  }

  #others(node: string): readonly string[] {
    return this.#field.nodes.filter((other) => other !== node);
  }

  /** Everybody is down for a moment. */
  #drawBlackout(): void {
    const random = this.#random;
    const atMs = random.between(2000, this.#field.spanMs - 1500);
    const power = this.#powerAnywhere || (this.#mayLosePowerTogether() && random.percent(50));
    for (const node of this.#field.nodes) {
      const downMs = random.between(100, 900);
      this.#drawn.push({ atMs: atMs + random.below(100), kind: 'crash', node, downMs, power });
    }
  }

  /** What one disk forgot must not be lost on another at the same time. */
  #mayLosePowerTogether(): boolean {
    return !this.#drawn.some(({ kind }) => kind === 'wipe' || kind === 'restore' || kind === 'bit-flip');
  }

  /** One fault; where a form of partition takes several, all of them. */
  #drawOne(kind: FaultName): readonly Timed[] {
    const random = this.#random;
    const atMs = this.#time();
    const node = random.pick(this.#field.nodes);
    switch (kind) {
      case 'crash': {
        const power = random.percent(50) && (this.#powerAnywhere || this.#powerOf.includes(node));
        return [{ atMs, kind, node, downMs: this.#outage(node, atMs), power, midWrite: random.percent(60) }];
      }
      case 'suspend':
        return [{ atMs, kind, node, forMs: this.#outage(node, atMs) }];
      case 'restart':
        return [{ atMs, kind, node, downMs: this.#outage(node, atMs) }];
      case 'partition':
        return this.#drawPartition(atMs);
      case 'cut':
        return [{ atMs, kind, ...this.#pair() }];
      case 'slow-link': {
        const extraMs = random.between(1, random.pick([20, 300, 1500]));
        return [{ atMs, kind, ...this.#pair(), extraMs, forMs: this.#duration() }];
      }
      case 'half-open':
        return [{ atMs, kind, ...this.#pair(), forMs: this.#duration() }];
      case 'client-cut': {
        const direction = random.pick(['requests', 'answers', 'answers'] as const);
        return [{ atMs, kind, node, direction, forMs: this.#duration() }];
      }
      case 'slow-process': {
        const lagMs = random.between(5, random.pick([50, 400]));
        return [{ atMs, kind, node, lagMs, forMs: this.#duration() }];
      }
      case 'slow-disk':
        return [{ atMs, kind, node, factor: random.pick([3, 10, 50, 200]), forMs: this.#duration() }];
      case 'disk-error':
        return [{ atMs, kind, node, applied: random.percent(50), downMs: this.#outage(node, atMs) }];
      case 'read-error':
        return [{ atMs, kind, node, percent: random.pick([5, 50, 100]), forMs: this.#outage(node, atMs) }];
      case 'disk-full':
        return [{ atMs, kind, node, forMs: this.#outage(node, atMs) }];
      case 'clock-jump':
        return [{ atMs, kind, node, byMs: this.#jump() }];
      case 'clock-stop':
        return [{ atMs, kind, node, forMs: this.#duration() }];
      case 'bit-flip':
      case 'wipe':
      case 'restore':
        throw new Error(`${kind} is placed apart`);
    }
  }

  #drawPartition(atMs: number): readonly Timed[] {
    const random = this.#random;
    const nodes = this.#shuffled();
    const forMs = this.#duration();
    const half = random.between(2, nodes.length - 2);
    const split = (from: readonly string[], to: readonly string[], direction: 'both' | 'one-way'): Timed => ({
      atMs,
      kind: 'partition',
      from,
      to,
      direction,
      forMs,
    });
    switch (random.pick(['isolate', 'halves', 'bridge', 'ring', 'deaf', 'mute', 'one-way'] as const)) {
      case 'isolate':
        return [split(nodes.slice(0, 1), nodes.slice(1), 'both')];
      case 'halves':
        return [split(nodes.slice(0, half), nodes.slice(half), 'both')];
      case 'bridge':
        // The one that is left out speaks with both sides.
        return [split(nodes.slice(1, half), nodes.slice(half), 'both')];
      case 'ring':
        return ringCuts(nodes).map(([from, to]) => split([from], to, 'both'));
      case 'deaf':
        return [split(nodes.slice(1), nodes.slice(0, 1), 'one-way')];
      case 'mute':
        return [split(nodes.slice(0, 1), nodes.slice(1), 'one-way')];
      case 'one-way':
        return [split(nodes.slice(0, half), nodes.slice(half), 'one-way')];
    }
  }

  #time(): number {
    const random = this.#random;
    const latest = Math.floor((this.#field.spanMs * 95) / 100);
    if (this.#centresMs.length === 0) return random.between(300, latest);
    const centreMs = random.pick(this.#centresMs);
    return Math.min(latest, Math.max(300, centreMs + random.between(-600, 600)));
  }

  #duration(): number {
    const random = this.#random;
    if (!random.percent(this.#severity)) return random.between(10, 400);
    return random.percent(70) ? random.between(400, 2000) : random.between(2000, 6000);
  }

  /** How long a node is down: not long if too many are already. */
  #outage(node: string, atMs: number): number {
    const wantedMs = this.#duration();
    if (wantedMs <= longMs) return wantedMs;
    const toMs = atMs + wantedMs;
    const others = new Set(
      this.#outages
        .filter((outage) => outage.node !== node && outage.fromMs < toMs && atMs < outage.toMs)
        .map((outage) => outage.node),
    );
    const minority = Math.floor((this.#field.nodes.length - 1) / 2);
    if (others.size >= minority) return this.#random.between(10, longMs);
    this.#outages.push({ node, fromMs: atMs, toMs });
    return wantedMs;
  }

  #jump(): number {
    const random = this.#random;
    const byMs = random.between(1, random.pick([10, 500, 8000, 180_000]));
    return random.percent(50) ? byMs : -byMs;
  }

  #pair(): { readonly from: string; readonly to: string } {
    const [from, to] = this.#shuffled();
    return { from: from as string, to: to as string };
  }

  #shuffled(): readonly string[] {
    const rest = [...this.#field.nodes];
    const shuffled: string[] = [];
    while (rest.length > 0) shuffled.push(...rest.splice(this.#random.below(rest.length), 1));
    return shuffled;
  }
}

/** What to cut so that each speaks with its two neighbours in the order only. */
function ringCuts(nodes: readonly string[]): readonly (readonly [from: string, to: readonly string[]])[] {
  return nodes.flatMap((from, index) => {
    const to = nodes.filter((_, other) => other > index + 1 && other - index < nodes.length - 1);
    return to.length > 0 ? [[from, to] as const] : [];
  });
}
