import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);

/** Buffers of 10 KiB, of which the newest 300 are in use: 3 GB in all. Prints how many full collections that took. */
const churn = `
  import { constants, PerformanceObserver } from 'node:perf_hooks';
  import { setImmediate } from 'node:timers/promises';
  import { countBuffersWithHeap } from ${JSON.stringify(join(import.meta.dirname, 'external-memory.ts'))};
  if (process.env.COUNT_BUFFERS === 'yes') countBuffersWithHeap();
  let full = 0;
  new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries()) if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) full++;
  }).observe({ entryTypes: ['gc'] });
  const used = [];
  for (let i = 0; i < 300_000; i++) {
    used[i % 300] = { bytes: new Uint8Array(10_240), about: new Array(100).fill(i) };
    if (i % 1000 === 0) await setImmediate();
  }
  await setImmediate();
  console.log(full);
`;

async function fullCollections(countBuffers: 'yes' | 'no'): Promise<number> {
  const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '--eval', churn], {
    env: { ...process.env, COUNT_BUFFERS: countBuffers, NODE_NO_WARNINGS: '1' },
  });
  expect(stderr).toBe('');
  return Number(stdout);
}

test('buffers cause few full collections, and nothing is said on stderr', async () => {
  const before = await fullCollections('no');
  const after = await fullCollections('yes');
  // Other versions of Node are left alone.
  if (process.versions.node.startsWith('24.')) expect(after).toBeLessThan(before / 2);
  expect(before).toBeGreaterThan(10);
});
