import { expect, test } from 'vitest';
import { goalRows } from './goals.ts';
import { plotsOf, type ReportResults, reportText } from './report-text.ts';

const nothing: ReportResults = {
  compare: undefined,
  peers: undefined,
  latency: undefined,
  ycsb: undefined,
  matrix: undefined,
  overload: undefined,
  scale: undefined,
  nodes: undefined,
  cassandra: undefined,
};
const head = {
  at: '2026-01-02T03:04:05.000Z',
  commit: 'abc',
  machine: {
    cpu: 'a CPU',
    cores: 2,
    memoryGiB: 8,
    kernel: 'Linux',
    node: 'v24',
    loadBefore: 0,
    syncMicros: 100,
    diskWarning: undefined,
  },
  versions: { etcd: '3.5', redis: undefined, cassandra: undefined, h2load: '1' },
  engine: 'lsm',
};

function point(share: number, perSecond: number, p99Ms: number) {
  return {
    share,
    askedPerSecond: perSecond,
    perSecond,
    p50Ms: 1,
    p99Ms,
    p999Ms: 2,
    sendLagP99Ms: 0,
    failures: 0,
  };
}

test('without results every goal is there, and none is reached', () => {
  const goals = goalRows(nothing);
  expect(goals.length).toBeGreaterThan(12);
  for (const { measured, reached } of goals) {
    expect(measured).toBeUndefined();
    expect(reached).not.toBe(true);
  }
  expect(reportText(nothing, [])).toContain('Nothing was measured yet');
  expect(plotsOf(nothing)).toEqual([]);
});

test('a goal is judged by its own figures', () => {
  const figures = { p50Ms: 1, p99Ms: 1, p999Ms: 1, cpuMicrosFirst: undefined, failures: 0 };
  const row = (system: 'kindred' | 'etcd', name: string, perSecond: number, cpuMicros: number) => ({
    system,
    name,
    median: { ...figures, perSecond, cpuMicros },
  });
  const goals = goalRows({
    ...nothing,
    compare: {
      ...head,
      rows: [
        row('kindred', 'no-op', 20_000, 50),
        row('kindred', 'put QUORUM 100 B', 13_000, 151),
        row('etcd', 'put 100 B', 10_000, 100),
        row('kindred', 'get ONE 100 B', 9_900, 64),
        row('etcd', 'get serializable 100 B', 10_000, 50),
      ],
    },
  });
  const reached = (words: string): boolean | undefined =>
    goals.find(({ goal }) => goal.includes(words))?.reached;
  expect(reached('unary put at QUORUM')).toBe(true);
  expect(reached('unary get at ONE at least')).toBe(false);
  expect(reached('get at ONE costs')).toBe(true);
  expect(reached('put at QUORUM over three')).toBe(false);
});

test('curves become plots, one line for each system and operation', () => {
  const series = (system: 'kindred' | 'etcd', name: string) => ({
    system,
    name,
    peakPerSecond: 1_000,
    points: [point(0.1, 100, 0.5), point(0.5, 500, 11)],
  });
  const results: ReportResults = {
    ...nothing,
    latency: {
      ...head,
      series: [
        series('kindred', 'put QUORUM'),
        series('etcd', 'put'),
        series('kindred', 'pipelined get ONE'),
      ],
      busy: [{ ...point(0.5, 500, 19), name: 'put QUORUM', compactions: 3 }],
    },
  };
  const plots = plotsOf(results);
  expect(plots.map(({ file }) => file)).toEqual(['latency-unary.svg', 'latency-pipelined.svg']);
  expect(plots[0]?.svg.match(/<polyline/g)).toHaveLength(2);
  const text = reportText(results, [{ title: 'a plot', path: 'a.svg' }]);
  expect(text).toContain('![a plot](a.svg)');
  expect(text).toMatch(/half of its peak at most 10 ms \| 11\.0 ms \| \*\*no\*\*/);
  expect(text).toMatch(/at most 20 ms \| 19\.0 ms \(3 compactions\) \| yes/);
});
