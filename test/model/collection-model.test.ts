import { expect, test } from 'vitest';
import { type CollectionViolation, runCollectionModel } from './collection-model.ts';
import { type CollectionRules, plantedBugs, realRules } from './collection-rules.ts';

const runs = 4_000;
const bugRuns = 20_000;

test(`in ${runs} random runs no deleted value comes back, though tombstones are forgotten`, () => {
  let collected = 0;
  let outdated = 0;
  for (let seed = 1; seed <= runs; seed++) {
    const run = runCollectionModel(seed, realRules);
    collected += run.collected;
    outdated += run.outdated;
    if (run.violation === undefined) continue;
    const trace: string[] = [];
    runCollectionModel(seed, realRules, (line) => trace.push(line));
    expect.fail(`seed ${seed}: ${run.violation.kind}: ${run.violation.detail}\n${trace.join('\n')}`);
  }
  // Runs in which nothing is forgotten, and nobody comes back too late, say nothing.
  expect(collected).toBeGreaterThan(runs / 20);
  expect(outdated).toBeGreaterThan(runs / 20);
});

test('a run is wholly determined by its seed', () => {
  const traceOf = (seed: number): string[] => {
    const trace: string[] = [];
    runCollectionModel(seed, realRules, (line) => trace.push(line));
    return trace;
  };
  for (let seed = 1; seed <= 50; seed++) expect(traceOf(seed)).toEqual(traceOf(seed));
});

test.for(Object.entries(plantedBugs))('%s is found', ([name, rules]) => {
  const first = firstFound(rules);
  expect(first, `${name} was not found in ${bugRuns} runs`).toBeDefined();
  console.log(`${name}: found in run ${first?.run}: ${first?.violation.kind}`);
});

function firstFound(rules: CollectionRules): { run: number; violation: CollectionViolation } | undefined {
  for (let run = 1; run <= bugRuns; run++) {
    const { violation } = runCollectionModel(run, rules);
    if (violation !== undefined) return { run, violation };
  }
  return undefined;
}
