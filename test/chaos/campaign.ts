/** Many kinds of fault, one after the other, each on a cluster of its own. */

import { type ChaosRunOptions, type ChaosRunResult, runChaos } from './chaos-run.ts';
import type { FaultKind } from './fault-kinds.ts';
import type { Missing } from './machine.ts';
import type { ChaosOptions } from './options.ts';
import type { Skipped } from './result-table.ts';
import { RunDirectory } from './run-directory.ts';

export interface CampaignHooks {
  readonly onLine: (line: string) => void;
  /** Hears of the directory of the run that is under way, to remove it when the program is stopped. */
  readonly onDirectory: (directory: RunDirectory | undefined) => void;
  readonly onResult: (result: ChaosRunResult) => void;
}

/** What came of it. Kinds that this machine cannot do are skipped; a run that fails counts as a violation. */
export async function runCampaign(
  options: ChaosOptions,
  missing: Missing,
  hooks: CampaignHooks,
): Promise<{ readonly results: readonly ChaosRunResult[]; readonly skipped: readonly Skipped[] }> {
  const results: ChaosRunResult[] = [];
  const skipped: Skipped[] = [];
  for (const kind of options.kinds) {
    const place = placeOf(kind, missing, options.network);
    if (place.kind === 'nowhere') {
      skipped.push({ kind: kind.name, reason: place.reason });
      hooks.onLine(`${kind.name}: skipped: ${place.reason}`);
      continue;
    }
    const engines = options.engine === undefined ? enginesOf(kind) : [options.engine];
    for (const engine of engines) {
      await using directory = new RunDirectory();
      hooks.onDirectory(directory);
      const { nodes, rounds, seed } = options;
      const faultMs = options.seconds * 1000;
      const run = {
        kind,
        engine,
        network: place.network,
        nodes,
        rounds,
        faultMs,
        seed,
        onLine: hooks.onLine,
      };
      const result = await runChaos(directory, run).catch((error) => failedRun(run, error));
      results.push(result);
      hooks.onResult(result);
    }
    hooks.onDirectory(undefined);
  }
  return { results, skipped };
}

function failedRun(
  { kind, engine, network }: Pick<ChaosRunOptions, 'kind' | 'engine' | 'network'>,
  error: unknown,
): ChaosRunResult {
  const counts = { acknowledged: 0, unknown: 0, notApplied: 0, readsDone: 0, readsFailed: 0 };
  const other = [
    `the run failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  ];
  const findings = { lost: [], untrue: [], other };
  const none = { rounds: 0, seconds: 0, fullServiceMs: [], unavailableMs: [], report: undefined };
  return { ...counts, ...findings, ...none, kind: kind.name, engine, network };
}

export type Place =
  | { readonly kind: 'on'; readonly network: 'namespaces' | 'proxies' }
  | { readonly kind: 'nowhere'; readonly reason: string };

/** On which network the kind runs on this machine, if on any. */
export function placeOf(
  kind: FaultKind,
  missing: Missing,
  wanted: 'namespaces' | 'proxies' | undefined,
): Place {
  const reasons = ['linux' as const, ...kind.needs].flatMap((ability) => missing.get(ability) ?? []);
  if (reasons.length > 0) return { kind: 'nowhere', reason: [...new Set(reasons)].join('; ') };
  const noNamespaces = missing.get('namespaces');
  const network =
    kind.network === 'either'
      ? (wanted ?? (noNamespaces === undefined ? 'namespaces' : 'proxies'))
      : kind.network;
  if (network === 'namespaces' && noNamespaces !== undefined) {
    return { kind: 'nowhere', reason: `network namespaces: ${noNamespaces}` };
  }
  return { kind: 'on', network };
}

function enginesOf(kind: FaultKind): readonly ('lsm' | 'btree')[] {
  return kind.eachEngine ? ['lsm', 'btree'] : ['lsm'];
}
