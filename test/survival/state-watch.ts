/** Which states the nodes of a cluster see in each other over time, asked again and again. */

import { NodeState } from '../../src/gen/kindred/v1/topology.ts';
import { pause } from '../chaos/program.ts';
import type { RealNode } from '../support/real-cluster.ts';
import type { SurvivalCluster } from './survival-cluster.ts';

/** One node sees another in a state that it did not see before. */
export interface StateSeen {
  readonly observer: string;
  readonly of: string;
  readonly state: 'up' | 'suspect' | 'failed';
  /** `performance.now()`. */
  readonly atMs: number;
}

const everyMs = 50;

export class StateWatch {
  readonly seen: StateSeen[] = [];
  readonly #cluster: SurvivalCluster;
  readonly #onSeen: (seen: StateSeen) => void;
  readonly #last = new Map<string, NodeState>();
  #stopped = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(cluster: SurvivalCluster, onSeen: (seen: StateSeen) => void = () => {}) {
    this.#cluster = cluster;
    this.#onSeen = onSeen;
  }

  start(): void {
    this.#running = Promise.all(this.#cluster.nodes.map((node) => this.#watch(node)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** How long after `fromMs` each of the observers saw the node in this state for the first time; `undefined`: not yet. */
  firstSeenMs(
    of: RealNode,
    state: StateSeen['state'],
    fromMs: number,
    observers: readonly RealNode[],
  ): readonly (number | undefined)[] {
    return observers.map((observer) => {
      const first = this.seen.find(
        (one) =>
          one.observer === observer.id && one.of === of.id && one.state === state && one.atMs >= fromMs,
      );
      return first === undefined ? undefined : first.atMs - fromMs;
    });
  }

  async #watch(observer: RealNode): Promise<void> {
    while (!this.#stopped) {
      const states = await this.#cluster.statesSeenBy(observer).catch(() => undefined);
      const atMs = performance.now();
      for (const [of, state] of states ?? []) {
        const link = `${observer.id} ${of}`;
        if (this.#last.get(link) === state) continue;
        this.#last.set(link, state);
        const seen = { observer: observer.id, of, state: nameOf(state), atMs };
        this.seen.push(seen);
        this.#onSeen(seen);
      }
      await pause(everyMs);
    }
  }
}

function nameOf(state: NodeState): StateSeen['state'] {
  if (state === NodeState.NODE_STATE_UP) return 'up';
  return state === NodeState.NODE_STATE_FAILED ? 'failed' : 'suspect';
}
