import { expect, test } from 'vitest';
import { runCollectionModel } from './collection-model.ts';
import { type CollectionRules, plantedBugs, realRules } from './collection-rules.ts';

const runs = 4_000;
/**
 * The first run of 40,000 that finds each planted bug. When a change of the model moves one, the test searches from the
 * beginning and says where it is now.
 */
const foundIn: Readonly<Record<string, number>> = {
  'collected-by-the-clock': 49,
  'collected-without-waiting': 14_131,
  'fence-missing': 5_732,
  'older-disks-unfenced': 5_732,
  'comparisons-outlive-their-store': 11_686,
  'hints-unfenced': 2_036,
  'index-not-bound-to-the-record': 4_556,
  'aged-instead-of-collectable-in-reads': 220,
  'aged-instead-of-settled-in-listings': 5_286,
  'comparison-ends-with-an-old-mark': 857,
};
const bugRuns = 40_000;

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
  const known = foundIn[name];
  if (known !== undefined && runCollectionModel(known, rules).violation !== undefined) return;
  const now = firstFound(rules);
  expect.fail(
    now === undefined
      ? `${name} is not found in ${bugRuns} runs`
      : `${name} is found in run ${now}, and not in ${known} any more: write the new number down here`,
  );
});

function firstFound(rules: CollectionRules): number | undefined {
  for (let run = 1; run <= bugRuns; run++) {
    if (runCollectionModel(run, rules).violation !== undefined) return run;
  }
  return undefined;
}
