/**
 * One node at 100 % CPU, which besides stands still for a second every ten: nobody may call it FAILED, nor it anybody else.
 */

import { readFileSync } from 'node:fs';
import { ConsistencyLevel } from '../../src/gen/kindred/v1/types.ts';
import { pause } from '../chaos/program.ts';
import type { RealNode } from '../support/real-cluster.ts';
import { bulkWrite } from './bulk-writer.ts';
import { atLeast, atMost, type Campaign, shown } from './campaign.ts';
import { type StateSeen, StateWatch } from './state-watch.ts';
import { SurvivalCluster } from './survival-cluster.ts';

const standstillMs = 1_000;
const everyMs = 10_000;
const readersMax = 48;
const batchKeys = 100;

export const busy: Campaign = {
  name: 'busy',
  describes: 'one node at 100 % CPU with a pause of 1 s every 10 s: nobody is called FAILED',
  defaults: { seconds: 1_800, keys: 2_000, rounds: 1 },
  async run({ nodes, engine, seconds, keys: count, say }) {
    await using cluster = await SurvivalCluster.start({ nodes, engine });
    const victim = cluster.node(nodes - 1);
    const keys = Array.from({ length: count }, (_, index) => Buffer.from(`busy/${index}`));
    await bulkWrite({
      through: cluster.nodes,
      keys,
      makeValue: (key) => key,
      level: ConsistencyLevel.CONSISTENCY_LEVEL_ALL,
    });
    const own: Buffer[] = [];
    for (const key of keys) if ((await cluster.homesOf(key)).includes(victim.id)) own.push(key);
    say(`${own.length} keys are read at ONE through ${victim.id}, which holds them`);
    const failed: StateSeen[] = [];
    const suspected: StateSeen[] = [];
    const watch = new StateWatch(cluster, (seen) => {
      if (seen.state === 'up') return;
      (seen.state === 'failed' ? failed : suspected).push(seen);
      say(`${seen.observer} sees ${seen.of} ${seen.state}`);
    });
    // Nodes that started late were FAILED at those that waited for them.
    const calledFailed = (): Promise<number> =>
      cluster.sum('kindred_node_state_changes_total', { to: 'failed' });
    const calledBefore = await calledFailed();
    watch.start();
    const readers = new Readers(victim, own);
    readers.start();
    const startedMs = performance.now();
    const before = scheduledSecondsOf(victim);
    let pauses = 0;
    try {
      while (performance.now() - startedMs < seconds * 1000) {
        await pause(everyMs - standstillMs);
        victim.signal('SIGSTOP');
        await pause(standstillMs);
        victim.signal('SIGCONT');
        pauses++;
        if (pauses % 12 === 0)
          say(`${pauses} pauses, ${suspected.length} suspicions, ${failed.length} times FAILED`);
      }
    } finally {
      victim.signal('SIGCONT');
      await readers.stop();
      await watch.stop();
    }
    const tookSeconds = (performance.now() - startedMs) / 1000;
    const awakeSeconds = tookSeconds - (pauses * standstillMs) / 1000;
    const after = scheduledSecondsOf(victim);
    const ran = (100 * (after.ran - before.ran)) / awakeSeconds;
    const wanted = ran + (100 * (after.waited - before.waited)) / awakeSeconds;
    // What happened between two looks is in the nodes' own counts.
    const changes = (await calledFailed()) - calledBefore;
    return [
      shown('minutes', tookSeconds / 60, '', 1),
      shown('pauses of 1 s', pauses),
      shown('reads of the busy node', readers.done),
      atLeast('CPU that the busy node asked for while it was awake', wanted, 70, '%'),
      shown('CPU that the machine gave it', ran, '%'),
      shown('times a node was seen SUSPECT', suspected.length),
      atMost('times a node was seen FAILED', failed.length, 0, '', 0),
      atMost('times a node called another FAILED, by its metrics', changes, 0, '', 0),
    ];
  },
};

/** Asks one node for what it has itself, as fast as it answers. */
class Readers {
  done = 0;
  readonly #node: RealNode;
  readonly #keys: readonly Buffer[];
  #stopped = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(node: RealNode, keys: readonly Buffer[]) {
    this.#node = node;
    this.#keys = keys;
  }

  start(): void {
    this.#running = Promise.all(Array.from({ length: readersMax }, (_, index) => this.#read(index)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #read(index: number): Promise<void> {
    const strength = { $case: 'consistency', value: ConsistencyLevel.CONSISTENCY_LEVEL_ONE } as const;
    for (let at = index; !this.#stopped; at += readersMax) {
      const keys = Array.from({ length: batchKeys }, (_, next) => ({
        bucket: '',
        key: this.#keys[(at + next) % this.#keys.length] as Buffer,
      }));
      try {
        const answers = this.#node.keyValue.batchGet(
          { keys, options: { strength } },
          { signal: AbortSignal.timeout(10_000) },
        );
        for await (const { status } of answers) if (status === undefined) this.done++;
      } catch {
        // It has more to do than it can: that is what this is for.
        await pause(10);
      }
    }
  }
}

/** Of the thread that does all: how long it ran, and how long it could have run but others had the processors. From /proc. */
function scheduledSecondsOf(node: RealNode): { readonly ran: number; readonly waited: number } {
  const [ran = 0, waited = 0] = readFileSync(`/proc/${node.pid}/schedstat`, 'utf8').split(' ').map(Number);
  return { ran: ran / 1e9, waited: waited / 1e9 };
}
