/** Plays cases with clients, one client after another, on one cluster. */

import { relative } from 'node:path';
import { root } from '../../tools/command.ts';
import { type Case, type Group, titleOf } from './case-file.ts';
import { runCase } from './case-run.ts';
import { type KnownFailures, knownFailuresOf } from './known-failures.ts';
import { flagsOf, folderOf, type Language, missingFor, testeeOf } from './languages.ts';
import type { CaseResult, ClientResult, LeftOut } from './report.ts';
import type { TestBed } from './test-bed.ts';
import { Testee } from './testee.ts';

export interface SuiteOptions {
  readonly groups: readonly Group[];
  /** Told of each case as it ends. */
  readonly onCase: (client: Language, result: CaseResult) => void;
}

/** The groups with only the cases whose title contains `text`, without those that have none left. */
export function groupsWith(groups: readonly Group[], text: string): readonly Group[] {
  return groups
    .map((group) => ({ ...group, cases: group.cases.filter((each) => titleOf(each).includes(text)) }))
    .filter(({ cases }) => cases.length > 0);
}

/** All cases with one client, or why it cannot be tried. */
export async function runClient(
  client: Language,
  bed: TestBed,
  { groups, onCase }: SuiteOptions,
): Promise<ClientResult | LeftOut> {
  const why = await missingFor(client);
  if (why !== undefined) return { client, why };
  let started: Awaited<ReturnType<typeof startTestee>>;
  try {
    started = await startTestee(client);
  } catch (error) {
    return {
      client,
      why: `it is not set up (${relative(root, folderOf(client))}/run/setup does that): ${(error as Error).message}`,
    };
  }
  const { hello } = started;
  let { testee } = started;
  const known = knownFailuresOf(client);
  const startedMs = performance.now();
  const results: CaseResult[] = [];
  for (const testCase of groups.flatMap(({ cases }) => cases)) {
    const result = await oneCase(testCase, testee, bed, known);
    results.push(result);
    onCase(client, result);
    // One that has died fails the case it died of, and no other.
    if (testee.hasEnded) ({ testee } = await startTestee(client));
  }
  await testee.end();
  const seconds = (performance.now() - startedMs) / 1000;
  return { client, version: String(hello['version'] ?? ''), seconds, cases: results };
}

function startTestee(client: Language): ReturnType<typeof Testee.start> {
  return Testee.start(testeeOf(client), flagsOf(client), folderOf(client));
}

async function oneCase(
  testCase: Case,
  testee: Testee,
  bed: TestBed,
  known: KnownFailures,
): Promise<CaseResult> {
  const { problem, ms } = await runCase(testCase, testee, bed);
  const title = titleOf(testCase);
  const isKnown = title in known;
  const status = problem === undefined ? (isKnown ? 'unexpected' : 'passed') : isKnown ? 'known' : 'failed';
  return { group: testCase.group, title, status, problem, ms };
}
