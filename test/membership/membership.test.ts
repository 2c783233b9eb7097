import { expect, test } from 'vitest';
import { complaintsOf, median, plotOf, tableOf, withResults } from './membership-report.ts';
import { runMembership } from './membership-run.ts';

test.each([3, 10])(
  '%d nodes: every live node learns of each failure, in rounds that grow as log N',
  async (nodes) => {
    const result = await runMembership({ nodes, seconds: 60, seed: 7 });
    expect(complaintsOf(result)).toEqual([]);
    expect(result.failures.length).toBeGreaterThanOrEqual(3);
    for (const { kind, firstMs, everywhereMs, rounds, backMs } of result.failures) {
      expect(firstMs).toBeDefined();
      expect(backMs).toBeLessThan(10_000);
      // Where connections break at once; where nobody is told, phi has to grow.
      expect(everywhereMs).toBeLessThan(kind === 'process' ? 1_500 : 10_000);
      // On average push and pull need about log3 N + ln ln N rounds; the last node may be unlucky.
      expect(rounds).toBeLessThan(2 * Math.log2(nodes) + 4);
    }
    expect(median(result.failures.map(({ rounds }) => rounds as number))).toBeLessThan(Math.log2(nodes) + 2);
    // Heartbeats to all, and a message each way of at most 64 KiB.
    expect(result.bytesPerSecond.all.max).toBeLessThan(1_000 * nodes);
    expect(result.joinRounds).toBeLessThan(2 * Math.log2(nodes) + 6);
  },
);

test('the same seed gives the same run, another one another', async () => {
  const one = await runMembership({ nodes: 5, seconds: 20, seed: 3 });
  expect(await runMembership({ nodes: 5, seconds: 20, seed: 3 })).toEqual(one);
  expect((await runMembership({ nodes: 5, seconds: 20, seed: 4 })).hash).not.toBe(one.hash);
});

test('where nodes listen to neighbours only, all others learn from them', async () => {
  const result = await runMembership({ nodes: 70, seconds: 20, seed: 5 });
  expect(result.failures.length).toBeGreaterThan(0);
  for (const { rounds, everywhereMs, firstMs } of result.failures) {
    expect(everywhereMs).toBeLessThan(10_000);
    expect(everywhereMs as number).toBeGreaterThan((firstMs as number) + 500);
    expect(rounds).toBeLessThan(2 * Math.log2(70) + 4);
  }
  expect(result.falseFailed).toEqual([]);
  expect(result.gossipFrameBytesMax).toBeGreaterThan(2_000);
  expect(result.gossipFrameBytesMax).toBeLessThanOrEqual(64 * 1024);
});

test('the report has a row for each size, and a plot', async () => {
  const result = { ...(await runMembership({ nodes: 3, seconds: 20, seed: 1 })), cpuSeconds: 1.25 };
  const lines = tableOf([result, { ...result, nodes: 1_000, failures: [] }]).split('\n');
  expect(lines).toHaveLength(4);
  expect(lines[2]).toMatch(/^\| 3 \| 1 \| [0-9.]+, [0-9.]+ \| - \| .* \| 20 s in 1\.3 s \|$/);
  expect(lines[3]).toMatch(/^\| 1,000 \| 0 \| - \|/);
  expect(new Set(lines.map((line) => line.split('|').length)).size).toBe(1);
  const document = 'a\n<!-- membership: begin -->\nold\n<!-- membership: end -->\nb\n';
  const written = withResults(document, [result]);
  expect(written).toContain(
    `a\n<!-- membership: begin -->\n\n${tableOf([result])}\n\n<!-- membership: end -->\nb\n`,
  );
  expect(written).not.toContain('old');
  expect(() => withResults('nothing', [result])).toThrow('has no');
  expect(plotOf([result])).toMatch(/^<svg (.|\n)*<\/svg>\n$/);
});
