/** One kind of fault against one cluster under load: rounds of fault, end of the fault, full service; then the judgement. */

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KeyHistory } from '../checkers/history.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { CHAOS_CLUSTER_ID, CHAOS_PORTS, ChaosCluster } from './chaos-cluster.ts';
import { ChaosLoad, type Findings, type LoadCounts } from './chaos-load.ts';
import type { FaultKind, FaultWorld } from './fault-kinds.ts';
import { fullService } from './full-service.ts';
import { Kills } from './kills.ts';
import { LinkProxyNetwork } from './link-proxy.ts';
import { NamespaceNetwork } from './namespaces.ts';
import type { ChaosNetwork } from './network.ts';
import { pause } from './program.ts';
import type { RunDirectory } from './run-directory.ts';

/** What was promised. */
export const FULL_SERVICE_WITHIN_MS = 10_000;
/** So long it is waited for, to tell by how much the promise was broken. */
const fullServiceAwaitedMs = 60_000;
const calmMs = 1_000;
const progressEveryMs = 5_000;

export interface ChaosRunOptions {
  readonly kind: FaultKind;
  readonly engine: 'lsm' | 'btree';
  readonly network: 'namespaces' | 'proxies';
  readonly nodes: number;
  readonly rounds: number;
  readonly faultMs: number;
  readonly seed: number;
  /** Hears a line at a time what is going on. */
  readonly onLine: (line: string) => void;
}

export interface ChaosRunResult extends LoadCounts, Findings {
  readonly kind: string;
  readonly engine: string;
  readonly network: string;
  readonly rounds: number;
  readonly seconds: number;
  /** From the end of each fault. */
  readonly fullServiceMs: readonly number[];
  /** After each kill of one node: how long a key that it coordinated was not written, the longest. */
  readonly unavailableMs: readonly number[];
  /** Where logs and findings are, if something is wrong. */
  readonly report: string | undefined;
}

/** True when every promise was kept. */
export function isSound(result: ChaosRunResult): boolean {
  return result.lost.length + result.untrue.length + result.other.length === 0;
}

/** Ends after the round in which full service did not come back. */
export async function runChaos(directory: RunDirectory, options: ChaosRunOptions): Promise<ChaosRunResult> {
  const { kind, engine, nodes, rounds, faultMs, onLine } = options;
  const random = new SeededRandom(options.seed);
  const startedMs = performance.now();
  await using stack = new AsyncDisposableStack();
  const network = await makeNetwork(directory, options, random, stack);
  const cluster = stack.use(await ChaosCluster.start(directory, network, { nodes, engine, disk: kind.disk }));
  const load = new ChaosLoad(cluster.nodes, { clusterId: CHAOS_CLUSTER_ID, random });
  const kills = new Kills(cluster);
  const wrong: string[] = [];
  const fullServiceMs: number[] = [];
  const say = (line: string): void => {
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1).padStart(6);
    onLine(`${kind.name} ${engine} ${seconds} s  ${line}`);
  };
  const stopProgress = tellProgress(load, say);
  let round = 0;
  try {
    while (round < rounds) {
      round++;
      say(`round ${round} of ${rounds}`);
      await load.startRound(round);
      if (kind.killsOne === true) await kills.startRound();
      await pause(calmMs);
      const heal = await kind.inject(worldOf(cluster, load, kills, random, faultMs, say, wrong));
      const seen = await healAndWait(cluster, heal);
      if (seen.kind === 'not-full') {
        wrong.push(`no full service ${fullServiceAwaitedMs} ms after the fault: ${seen.reason}`);
        break;
      }
      fullServiceMs.push(seen.afterMs);
      say(`full service after ${(seen.afterMs / 1000).toFixed(1)} s`);
      if (seen.afterMs > FULL_SERVICE_WITHIN_MS)
        wrong.push(`full service after ${Math.round(seen.afterMs)} ms`);
      for (const sentence of await kills.endRound()) {
        say(`  ${sentence.text}`);
        if (sentence.wrong) wrong.push(sentence.text);
      }
      await pause(calmMs);
    }
  } finally {
    stopProgress();
    await kills.stop();
    await load.stop();
  }
  say('final reads at ALL through every node');
  const { evidence, ...findings } = await load.judge();
  const all = { ...findings, other: [...findings.other, ...wrong] };
  const result = {
    ...load.counts,
    ...all,
    kind: kind.name,
    engine,
    network: network.kind,
    rounds: round,
    seconds: (performance.now() - startedMs) / 1000,
    fullServiceMs,
    unavailableMs: kills.unavailableMs,
    report: undefined,
  };
  return isSound(result) ? result : { ...result, report: saveReport(cluster, result, evidence) };
}

async function makeNetwork(
  directory: RunDirectory,
  { network: kind, nodes }: ChaosRunOptions,
  random: SeededRandom,
  stack: AsyncDisposableStack,
): Promise<ChaosNetwork> {
  if (kind === 'namespaces') return await NamespaceNetwork.make(directory, nodes);
  const peerPort = CHAOS_PORTS.peer;
  return stack.use(await LinkProxyNetwork.make(directory, nodes, { peerPort, random }));
}

async function healAndWait(
  cluster: ChaosCluster,
  heal: () => Promise<void>,
): Promise<Awaited<ReturnType<typeof fullService>>> {
  const endedMs = performance.now();
  await heal();
  const healingMs = performance.now() - endedMs;
  const seen = await fullService(cluster.nodes, fullServiceAwaitedMs);
  return seen.kind === 'full' ? { kind: 'full', afterMs: seen.afterMs + healingMs } : seen;
}

function worldOf(
  cluster: ChaosCluster,
  load: ChaosLoad,
  kills: Kills,
  random: SeededRandom,
  faultMs: number,
  say: (line: string) => void,
  wrong: string[],
): FaultWorld {
  const overAtMs = performance.now() + faultMs;
  return {
    cluster,
    random,
    faultMs,
    sleep: (ms) => pause(Math.max(0, Math.min(ms, overAtMs - performance.now()))),
    over: () => performance.now() >= overAtMs,
    tell: (sentence) => say(`  ${sentence}`),
    wrong(sentence) {
      say(`  WRONG: ${sentence}`);
      wrong.push(sentence);
    },
    async kill(node) {
      say(`  kill -9 of n${node + 1}`);
      await kills.kill(node);
    },
    lostUnsynced: (node) => load.lostUnsynced(cluster.node(node)),
  };
}

/** Tells the throughput from time to time, until the returned function is called. */
function tellProgress(load: ChaosLoad, say: (line: string) => void): () => void {
  let before = load.counts;
  let beforeMs = performance.now();
  const timer = setInterval(() => {
    const { counts } = load;
    const seconds = (performance.now() - beforeMs) / 1000;
    const perSecond = (now: number, then: number): string => `${Math.round((now - then) / seconds)}/s`;
    say(
      `    ${perSecond(counts.acknowledged, before.acknowledged)} acknowledged, ` +
        `${perSecond(counts.unknown, before.unknown)} unknown, ` +
        `${perSecond(counts.notApplied, before.notApplied)} not applied, ` +
        `${perSecond(counts.readsDone, before.readsDone)} reads, ` +
        `${perSecond(counts.readsFailed, before.readsFailed)} failed reads`,
    );
    before = counts;
    beforeMs = performance.now();
  }, progressEveryMs);
  return () => clearInterval(timer);
}

/** Keeps what a person needs to find the cause. Returns where. */
function saveReport(cluster: ChaosCluster, result: ChaosRunResult, evidence: readonly KeyHistory[]): string {
  const path = mkdtempSync(join(tmpdir(), `kindred-report-${result.kind}-`));
  cluster.saveLogs(path);
  writeFileSync(join(path, 'result.json'), `${JSON.stringify(result, undefined, 2)}\n`);
  writeFileSync(join(path, 'keys.json'), `${JSON.stringify(evidence, undefined, 2)}\n`);
  return path;
}
