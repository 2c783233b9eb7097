/**
 * Makes a failing plan smaller by leaving out whatever it fails without: delta debugging (Zeller, Hildebrandt, TSE 2002) over
 * faults and clients, then fewer operations, fewer keys, calm weather. Every part of a world has a stream of chance of its
 * own, so that what is left out does not move what stays.
 */

import { checkPlan } from '../plan/check-plan.ts';
import type { ClientPlan, SeedPlan } from '../plan/seed-plan.ts';

export interface ShrinkOptions {
  /** Runs at most. */
  readonly runsMax: number;
  /** Told after each run. */
  readonly onRun?: (progress: ShrinkProgress) => void;
  /** Asked before each run: true ends the search with what it has. */
  readonly isCancelled?: () => boolean;
}

export interface ShrinkProgress {
  readonly runs: number;
  /** The smallest plan so far that fails. */
  readonly plan: SeedPlan;
  /** Whether the run just made failed too, and so became the smallest. */
  readonly smaller: boolean;
}

/** How much is left of a plan. */
export function sizeOf(plan: SeedPlan): string {
  const operations = plan.clients.reduce((sum, client) => sum + client.operations, 0);
  return `${plan.faults.length} faults, ${plan.clients.length} clients, ${operations} operations`;
}

/** A plan that fails still, with no more than `plan` had. `plan` itself must fail: that is not tried again. */
export function shrinkPlan(
  plan: SeedPlan,
  fails: (plan: SeedPlan) => Promise<boolean>,
  options: ShrinkOptions,
): Promise<SeedPlan> {
  return new Shrink(plan, fails, options).run();
}

class Shrink {
  #best: SeedPlan;
  #runs = 0;
  readonly #fails: (plan: SeedPlan) => Promise<boolean>;
  readonly #options: ShrinkOptions;

  constructor(plan: SeedPlan, fails: (plan: SeedPlan) => Promise<boolean>, options: ShrinkOptions) {
    this.#best = plan;
    this.#fails = fails;
    this.#options = options;
  }

  async run(): Promise<SeedPlan> {
    // What could not be left out at first may be once others are gone.
    for (;;) {
      const before = this.#best;
      await this.#reduceList(
        (plan) => plan.faults,
        (plan, faults) => ({ ...plan, faults }),
        0,
      );
      await this.#reduceList(
        (plan) => plan.clients,
        (plan, clients) => ({ ...plan, clients }),
        1,
      );
      await this.#reduceOperations();
      await this.#calm();
      if (this.#best === before || this.#isOver) return this.#best;
    }
  }

  get #isOver(): boolean {
    return this.#runs >= this.#options.runsMax || this.#options.isCancelled?.() === true;
  }

  async #try(plan: SeedPlan): Promise<boolean> {
    if (this.#isOver || checkPlan(plan).length > 0) return false;
    this.#runs++;
    const smaller = await this.#fails(plan);
    if (smaller) this.#best = plan;
    this.#options.onRun?.({ runs: this.#runs, plan: this.#best, smaller });
    return smaller;
  }

  /** Leaves out halves, then quarters, and so on down to single ones. */
  async #reduceList<Item>(
    list: (plan: SeedPlan) => readonly Item[],
    withList: (plan: SeedPlan, items: readonly Item[]) => SeedPlan,
    least: number,
  ): Promise<void> {
    let size = list(this.#best).length;
    if (least === 0 && size > 0 && (await this.#try(withList(this.#best, [])))) return;
    while (size > 1 && !this.#isOver) {
      size = Math.ceil(size / 2);
      // From the end: what came late is needed least often.
      for (let end = list(this.#best).length; end > 0 && !this.#isOver; end -= size) {
        const items = list(this.#best);
        const rest = [...items.slice(0, Math.max(0, end - size)), ...items.slice(end)];
        if (rest.length >= least && rest.length < items.length) await this.#try(withList(this.#best, rest));
      }
    }
  }

  /** Clients stop earlier; then they use fewer keys. */
  async #reduceOperations(): Promise<void> {
    await this.#halveOperations();
    for (const { name } of this.#best.clients) {
      const change = (next: (client: ClientPlan) => ClientPlan): SeedPlan => ({
        ...this.#best,
        clients: this.#best.clients.map((client) => (client.name === name ? next(client) : client)),
      });
      const operationsOf = (): number =>
        this.#best.clients.find((client) => client.name === name)?.operations ?? 0;
      // Towards the least that fails. Where fewer fail and more do not, any that fails will do.
      let passing = 0;
      while (operationsOf() - passing > Math.max(1, Math.floor(operationsOf() / 16)) && !this.#isOver) {
        const operations = Math.floor((passing + operationsOf()) / 2);
        if (!(await this.#try(change((client) => ({ ...client, operations }))))) passing = operations;
      }
    }
    for (const { name, keys } of this.#best.clients) {
      for (const key of keys) {
        const clients = this.#best.clients.map((client) =>
          client.name === name && client.keys.length > 1
            ? { ...client, keys: client.keys.filter((other) => other !== key) }
            : client,
        );
        if (
          clients.some((client, index) => client.keys.length < (this.#best.clients[index]?.keys.length ?? 0))
        )
          await this.#try({ ...this.#best, clients });
      }
    }
  }

  /** All clients at once, for as long as that works: most failures need only the beginning. */
  async #halveOperations(): Promise<void> {
    while (this.#best.clients.some(({ operations }) => operations > 1)) {
      const clients = this.#best.clients.map((client) => ({
        ...client,
        operations: Math.max(1, Math.floor(client.operations / 2)),
      }));
      if (!(await this.#try({ ...this.#best, clients }))) return;
    }
  }

  async #calm(): Promise<void> {
    const { network, disk, clocks, rarePaths } = this.#best;
    if (network.lossPercent + network.spikePercent + network.resetPerTenThousand > 0) {
      const calm = { ...network, lossPercent: 0, spikePercent: 0, resetPerTenThousand: 0 };
      await this.#try({ ...this.#best, network: calm });
    }
    if (disk.stallPercent > 0) await this.#try({ ...this.#best, disk: { ...disk, stallPercent: 0 } });
    if (clocks.some((clock) => clock.wallOffsetMicros !== 0 || clock.driftPpm !== 0)) {
      const right = clocks.map(({ node }) => ({ node, wallOffsetMicros: 0, driftPpm: 0 }));
      await this.#try({ ...this.#best, clocks: right });
    }
    const paths = Object.keys(rarePaths);
    if (paths.length > 0 && !(await this.#try({ ...this.#best, rarePaths: {} }))) {
      for (const path of paths) {
        const { [path]: _left, ...rest } = this.#best.rarePaths;
        await this.#try({ ...this.#best, rarePaths: rest });
      }
    }
  }
}
