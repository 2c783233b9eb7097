/**
 * Flipped bits in the files of a stopped node, in a cluster of real processes. Started again, the node either serves, and
 * then nothing wrong is ever read and its peers repair it until all replicas are equal; or it refuses to start with exit
 * code 3 and says what to do, which is then done.
 */

import { closeSync, openSync, readdirSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { SERVER_EXIT } from '../../src/cli/exit-code.ts';
import type { ReplicaView } from '../../src/gen/kindred/v1/diagnostic.ts';
import { ConsistencyLevel, type Version } from '../../src/gen/kindred/v1/types.ts';
import { RealCluster, type RealNode, until } from '../support/real-cluster.ts';
import { SeededRandom } from '../support/seeded-random.ts';

export interface FlipRoundsOptions {
  readonly engine: 'lsm' | 'btree';
  /** Bits to flip in all; more only when none of them did any damage. */
  readonly flips: number;
  readonly seed: number;
  /** Every second start meets one flipped bit, the others up to this many. */
  readonly batchMax: number;
  readonly onBatch?: (line: string) => void;
}

export interface FlipRoundsResult {
  flips: number;
  starts: number;
  /** Starts that were refused with the advice to empty the directory. */
  refused: number;
  tailDropped: number;
  /** Starts after which every record was right. */
  sound: number;
  /** Records that the flipped node reported as damaged, did not have, or had an earlier state of. */
  damaged: number;
  absent: number;
  older: number;
  seconds: number;
  /** What contradicts the contract, a sentence each. */
  readonly wrong: string[];
}

/** All states of one key, the last one current. `undefined`: deleted. */
interface Known {
  readonly key: Buffer;
  readonly states: (Buffer | undefined)[];
}

const keyCount = 90;
const rewrittenPerBatch = 12;
const startsMaxWithoutDamage = 50;
const callsAtOnce = 16;
const { CONSISTENCY_LEVEL_ONE, CONSISTENCY_LEVEL_QUORUM, CONSISTENCY_LEVEL_ALL } = ConsistencyLevel;

/** Ends at the first batch in which something is wrong. */
export async function runFlipRounds(options: FlipRoundsOptions): Promise<FlipRoundsResult> {
  const startedMs = performance.now();
  await using cluster = await RealCluster.start({ engine: options.engine });
  const run = new FlipRun(cluster, options);
  await run.rewrite(keyCount);
  // Again and again opened, so that there are tables, several logs, and pages that were freed.
  for (let start = 0; start < 2; start++) {
    await run.rewrite(keyCount / 3);
    await Promise.all(cluster.nodes.map((node) => node.kill('SIGTERM')));
    for (const node of cluster.nodes) node.start();
    await cluster.ready();
  }
  const { result } = run;
  // Flips that all missed what matters would prove nothing: then some more.
  const enough = (): boolean =>
    result.flips >= options.flips &&
    (result.sound < result.starts || result.starts >= startsMaxWithoutDamage);
  while (!enough() && result.wrong.length === 0) {
    await run.batch();
    const { flips, starts, refused } = result;
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    options.onBatch?.(
      `${options.engine}: ${flips} flips, ${starts} starts, ${refused} refused, ${seconds} s`,
    );
  }
  result.seconds = (performance.now() - startedMs) / 1000;
  return result;
}

class FlipRun {
  readonly result: FlipRoundsResult = {
    flips: 0,
    starts: 0,
    refused: 0,
    tailDropped: 0,
    sound: 0,
    damaged: 0,
    absent: 0,
    older: 0,
    seconds: 0,
    wrong: [],
  };
  readonly #cluster: RealCluster;
  readonly #options: FlipRoundsOptions;
  readonly #random: SeededRandom;
  readonly #known: Known[];
  #what = '';

  constructor(cluster: RealCluster, options: FlipRoundsOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#known = Array.from({ length: keyCount }, (_, index) => ({
      key: Buffer.from(`key-${index}${index % 9 === 0 ? '-long'.repeat(100) : ''}`),
      states: [undefined],
    }));
  }

  /** New states for some keys, on all replicas. */
  async rewrite(count: number): Promise<void> {
    const chosen = new Set(Array.from({ length: count }, () => this.#random.pick(this.#known)));
    await forAll([...chosen], async (known) => {
      const remove = known.states.length > 1 && this.#random.percent(10);
      const length = this.#random.percent(5) ? 20_000 : this.#random.between(10, 1_500);
      const data = Buffer.from(Array.from({ length }, () => this.#random.below(256)));
      const node = this.#random.pick(this.#cluster.nodes);
      const strength = { $case: 'consistency', value: CONSISTENCY_LEVEL_ALL } as const;
      const key = { bucket: '', key: known.key };
      if (remove) await node.keyValue.delete({ key, options: { strength } });
      else await node.keyValue.put({ key, value: { data }, options: { strength } });
      known.states.push(remove ? undefined : data);
    });
  }

  /** Stops a node, flips bits in its files, starts it, and checks all that is then read. */
  async batch(): Promise<void> {
    const { nodes } = this.#cluster;
    const { result } = this;
    const random = this.#random;
    const victim = random.pick(nodes);
    const healthy = random.pick(nodes.filter((node) => node !== victim));
    const most = Math.max(1, Math.min(this.#options.batchMax, this.#options.flips - result.flips));
    const count = result.starts % 2 === 0 ? 1 : random.between(1, most);
    await this.rewrite(rewrittenPerBatch);
    await victim.kill(random.percent(50) ? 'SIGTERM' : 'SIGKILL');
    const flipped = Array.from({ length: count }, () => flipBit(victim.data, random));
    this.#what = `${victim.id} after ${flipped.join(', ')}`;
    result.flips += count;
    result.starts++;
    victim.start();
    let outcome = await startOf(victim);
    const tailDropped = /half-written batch/.test(victim.log);
    if (tailDropped) {
      result.tailDropped++;
      outcome = await this.#startAsAnother(victim, outcome);
    }
    if (outcome === 'ready') {
      await this.#cluster.ready();
      await this.#checkReplica(victim, healthy, tailDropped);
    } else if (!(await this.#startEmpty(victim, outcome))) return;
    await this.#checkQuorum(victim);
    await this.#checkConvergence(victim, healthy);
    const state = await Promise.race([victim.exited, 'running']);
    if (state !== 'running') this.#wrong(`it ended with ${state}: ${lastLines(victim)}`);
  }

  /** Where the lost tail held what the peers had been told is on disk, they refuse the node, and it starts as a new replica. */
  async #startAsAnother(victim: RealNode, outcome: string): Promise<string> {
    // Rejects when it ends meanwhile, which is what is to be found out.
    await this.#cluster.ready().catch(() => undefined);
    if (!/put back to an earlier state/.test(victim.log)) return outcome;
    const code = await victim.exited;
    if (code !== SERVER_EXIT.storage) this.#wrong(`refused by its peers it ended with ${code}`);
    victim.start();
    return await startOf(victim);
  }

  /** Does what the refusal says. False when it was no proper refusal. */
  async #startEmpty(victim: RealNode, outcome: string): Promise<boolean> {
    const says = /empty (the )?data directory/i.test(victim.log);
    if (outcome !== `exit ${SERVER_EXIT.storage}` || !says) {
      this.#wrong(`it did not start: ${outcome}: ${lastLines(victim)}`);
      return false;
    }
    this.result.refused++;
    rmSync(victim.data, { recursive: true });
    victim.start();
    await this.#cluster.ready();
    return true;
  }

  /** What the flipped node holds, as it shows it and as it answers alone: right, damaged or absent. */
  async #checkReplica(victim: RealNode, healthy: RealNode, tailDropped: boolean): Promise<void> {
    const { result } = this;
    const before = result.damaged + result.absent + result.older;
    await forAll(this.#known, async (known) => {
      const replicas = await inspect(healthy, known.key);
      const view = replicas.find((replica) => replica.nodeId === victim.id);
      let absent = false;
      if (view === undefined) this.#wrong(`no view of it, ${name(known)}`);
      else if (view.damaged) result.damaged++;
      else if (view.error !== undefined) this.#wrong(`${view.error.message}, ${name(known)}`);
      else if (view.storedBytes === 0 && known.states.length > 1) {
        result.absent++;
        absent = true;
      } else if (this.#judge(known, view.versions, tailDropped, 'holds') === 'older') result.older++;
      const { versions } = await get(victim, known.key, CONSISTENCY_LEVEL_ONE);
      if (!(absent && versions.length === 0)) this.#judge(known, versions, tailDropped, 'answers at ONE');
    });
    if (result.damaged + result.absent + result.older === before) result.sound++;
  }

  async #checkQuorum(victim: RealNode): Promise<void> {
    await forAll(this.#known, async (known) => {
      const { versions } = await get(victim, known.key, CONSISTENCY_LEVEL_QUORUM);
      this.#judge(known, versions, false, 'answers at QUORUM');
    });
  }

  /** Reads repair: in the end all replicas hold the same, and that is right. */
  async #checkConvergence(victim: RealNode, healthy: RealNode): Promise<void> {
    await forAll(this.#known, async (known) => {
      let replicas: readonly ReplicaView[] = [];
      try {
        await until(async () => {
          const { versions } = await get(victim, known.key, CONSISTENCY_LEVEL_ALL);
          this.#judge(known, versions, false, 'answers at ALL');
          replicas = await inspect(healthy, known.key);
          return replicas.every(({ damaged, error }) => !damaged && error === undefined) && equal(replicas);
        });
      } catch (error) {
        const cause = String((error as Error).cause ?? '');
        this.#wrong(`${name(known)} does not converge ${cause}: ${JSON.stringify(replicas.map(summary))}`);
      }
      for (const { nodeId, versions } of replicas) this.#judge(known, versions, false, `${nodeId} holds`);
    });
  }

  #judge(
    known: Known,
    versions: readonly Version[],
    olderAllowed: boolean,
    where: string,
  ): 'right' | 'older' | 'wrong' {
    const [version] = versions;
    const data = version?.body?.$case === 'value' ? Buffer.from(version.body.value.data) : undefined;
    const same = (state: Buffer | undefined): boolean =>
      state === undefined ? data === undefined : data !== undefined && state.equals(data);
    if (versions.length <= 1 && same(known.states.at(-1))) return 'right';
    if (olderAllowed && versions.length <= 1 && known.states.some(same)) return 'older';
    const earlier = known.states.some(same) ? 'an earlier state' : 'bytes that were never written';
    this.#wrong(`${where} ${earlier} of ${name(known)} (${versions.length} versions)`);
    return 'wrong';
  }

  #wrong(what: string): void {
    this.result.wrong.push(`${this.#what}: ${what}`);
  }
}

/** Flips one bit: half of the time of any byte, half of the time in any file, however small. Returns which. */
function flipBit(directory: string, random: SeededRandom): string {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, bytes: statSync(path).size }))
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  let at = random.below(files.reduce((sum, { bytes }) => sum + bytes, 0));
  const byBytes = files.find(({ bytes }) => {
    if (at < bytes) return true;
    at -= bytes;
    return false;
  });
  const anyFile = random.pick(files);
  const { path, bytes } = random.percent(50) ? (byBytes ?? anyFile) : anyFile;
  const byte = random.below(bytes);
  const bit = random.below(8);
  const file = openSync(path, 'r+');
  try {
    const buffer = Buffer.alloc(1);
    readSync(file, buffer, 0, 1, byte);
    buffer.writeUInt8(buffer.readUInt8(0) ^ (1 << bit), 0);
    writeSync(file, buffer, 0, 1, byte);
  } finally {
    closeSync(file);
  }
  return `${path.slice(directory.length + 1)}:${byte}.${bit}`;
}

/** `ready`, or why not. */
async function startOf(node: RealNode): Promise<string> {
  return Promise.race([
    node.ready().then(
      () => 'ready',
      async (error: Error) => {
        const exit = await Promise.race([node.exited, 'running']);
        return exit === 'running' ? error.message : `exit ${exit}`;
      },
    ),
    node.exited.then((code) => `exit ${code}`),
  ]);
}

async function get(
  node: RealNode,
  key: Uint8Array,
  level: ConsistencyLevel,
): Promise<{ readonly versions: readonly Version[] }> {
  return node.keyValue.get(
    { key: { key }, options: { strength: { $case: 'consistency', value: level } } },
    { signal: AbortSignal.timeout(10_000) },
  );
}

async function inspect(node: RealNode, key: Uint8Array): Promise<readonly ReplicaView[]> {
  const { replicas } = await node.diagnostics.inspectKey({ key: { key }, includeData: true });
  return replicas;
}

function equal(replicas: readonly ReplicaView[]): boolean {
  return new Set(replicas.map((replica) => JSON.stringify(contentOf(replica)))).size === 1;
}

function contentOf({ contextText, storedBytes, versions }: ReplicaView): unknown {
  return { contextText, storedBytes, versions };
}

function summary({ nodeId, contextText, storedBytes, damaged, error }: ReplicaView): unknown {
  return { nodeId, contextText, storedBytes, damaged, error: error?.message };
}

function name({ key }: Known): string {
  return key.toString().slice(0, 12);
}

function lastLines({ log }: RealNode): string {
  return log.slice(-1_500);
}

async function forAll<Item>(items: readonly Item[], each: (item: Item) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += callsAtOnce) {
    await Promise.all(items.slice(from, from + callsAtOnce).map(each));
  }
}
