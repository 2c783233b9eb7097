/**
 * The suite with every client that this machine can run. Those that it cannot are skipped by name, with what is missing;
 * with CONFORMANCE_CLIENTS=all, as in CI, they fail.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadGroups } from './case-file.ts';
import { languages } from './languages.ts';
import { failureText } from './report.ts';
import { meetStrangers } from './strangers.ts';
import { runClient } from './suite.ts';
import { TestBed } from './test-bed.ts';

const isRequired = process.env['CONFORMANCE_CLIENTS'] === 'all';
const groups = loadGroups();

describe('conformance', () => {
  let bed: TestBed;

  beforeAll(async () => {
    bed = await TestBed.start();
  });

  afterAll(async () => {
    await bed[Symbol.asyncDispose]();
  });

  test.for(languages)('%s', async (language, { skip }) => {
    const result = await runClient(language, bed, { groups, onCase: () => undefined });
    if ('why' in result) {
      if (isRequired) expect.fail(result.why);
      process.stderr.write(`conformance left out ${language}: ${result.why}\n`);
      skip(result.why);
      return;
    }
    expect(failureText([result], [])).toBe('');
  });

  test('strangers talk to a node through reflection', async () => {
    const results = await meetStrangers(bed);
    for (const { tool, status, problem } of results) {
      if (status === 'left out') process.stderr.write(`conformance left out ${tool}: ${problem}\n`);
    }
    const wrong = results.filter(
      ({ status }) => status === 'failed' || (isRequired && status === 'left out'),
    );
    expect(wrong).toEqual([]);
  });
});
