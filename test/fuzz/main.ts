/**
 * `npm run fuzz`: hostile bytes against the client port of a real `kindred server`.
 *
 *     node test/fuzz/main.ts [--cases 100000] [--seed 1] [--from 0] [--concurrency 64]
 *
 * Prints how the cases ended. Exit code 1 when anything happened that must not; the seed and the case repeat it.
 */

import { parseArgs } from 'node:util';
import { RealCluster } from '../support/real-cluster.ts';
import { runFuzz } from './wire-fuzz.ts';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    concurrency: { type: 'string', default: '64' },
  },
});
const [cases, seed, from, concurrency] = [values.cases, values.seed, values.from, values.concurrency].map(
  (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${text} is no whole number`);
    return value;
  },
) as [number, number, number, number];

await using cluster = await RealCluster.start({ nodes: 1, engine: 'memory' });
const node = cluster.nodes[0] as (typeof cluster.nodes)[number];
const startedMs = performance.now();
const result = await runFuzz(
  { port: node.ports.client, exited: node.exited },
  {
    cases,
    seed,
    from,
    concurrency,
    onProgress: (done) => {
      if (done % 10_000 === 0) console.log(`${done} cases`);
    },
  },
);
const seconds = (performance.now() - startedMs) / 1000;
const incidents = node.log.split('\n').filter((line) => line.includes('unexpectedly'));
console.log(`${result.cases} cases in ${seconds.toFixed(1)} s, seed ${seed}`);
for (const [outcome, count] of [...result.outcomes].sort(([a], [b]) => (a < b ? -1 : 1))) {
  console.log(`  ${outcome.padEnd(16)} ${count}`);
}
for (const problem of [...result.problems, ...incidents]) console.error(problem);
process.exitCode = result.problems.length + incidents.length === 0 ? 0 : 1;
