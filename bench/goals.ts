/** What was asked for (issue 5), and what the newest results say of it. */

import type { LatencySeries } from './latency.ts';
import type { ReportResults } from './report-text.ts';

export interface GoalRow {
  readonly goal: string;
  /** Figures in words; `undefined`: not measured. */
  readonly measured: string | undefined;
  readonly reached: boolean | undefined;
}

/** One row for each goal, in the order of the issue. */
export function goalRows(results: ReportResults): readonly GoalRow[] {
  return [
    ...peerGoals(results),
    ...pipelineGoals(results),
    ...costGoals(results),
    ...latencyGoals(results),
    ...scaleGoals(results),
    ...overloadGoals(results),
  ];
}

function peerGoals({ compare }: ReportResults): GoalRow[] {
  const row = (system: string, name: string): number | undefined =>
    compare?.rows.find((each) => each.system === system && each.name === name)?.median.perSecond;
  return (
    [
      ['unary put at QUORUM', 1.2, 'put QUORUM 100 B', "etcd's put", 'put 100 B'],
      ['unary get at QUORUM', 1.2, 'get QUORUM 100 B', "etcd's linearizable get", 'get linearizable 100 B'],
      ['unary get at ONE', 1, 'get ONE 100 B', "etcd's serializable get", 'get serializable 100 B'],
    ] as const
  ).map(([what, least, own, other, peer]) =>
    timesGoal(`${what} at least ${least} x ${other}`, least, row('kindred', own), row('etcd', peer)),
  );
}

function timesGoal(goal: string, least: number, own: number | undefined, peer: number | undefined): GoalRow {
  if (own === undefined || peer === undefined) return { goal, measured: undefined, reached: undefined };
  const times = own / peer;
  return {
    goal,
    measured: `${times.toFixed(2)} x (${rate(own)} and ${rate(peer)})`,
    reached: times >= least,
  };
}

function pipelineGoals({ peers }: ReportResults): GoalRow[] {
  const row = (system: string, name: string): number | undefined =>
    peers?.rows.find((each) => each.system === system && each.name === name)?.median.perSecond;
  const put = row('kindred', 'pipelined put QUORUM');
  const get = row('kindred', 'pipelined get ONE');
  return [
    timesGoal("pipelined put at QUORUM at least 4 x etcd's unary put", 4, put, row('etcd', 'put, unary')),
    timesGoal(
      "pipelined put at QUORUM at least 4 x etcd's Txn of 64, counted per key",
      4,
      put,
      row('etcd', 'put, Txn of 64, per key'),
    ),
    {
      goal: 'pipelined get at ONE at least 100,000/s',
      measured: get === undefined ? undefined : rate(get),
      reached: get === undefined ? undefined : get >= 100_000,
    },
  ];
}

function costGoals({ compare }: ReportResults): GoalRow[] {
  const cpu = (system: string, name: string): number | undefined =>
    compare?.rows.find((each) => each.system === system && each.name === name)?.median.cpuMicros;
  const own = cpu('kindred', 'no-op');
  const bare = cpu('bare', 'no-op, bare grpc-js');
  return (
    [
      ['a unary get at ONE costs at most 1.3 no-op calls of CPU', 1.3, 'get ONE 100 B'],
      ['a put at QUORUM over three nodes costs at most 3 no-op calls of CPU in all', 3, 'put QUORUM 100 B'],
    ] as const
  ).map(([goal, most, name]) => {
    const micros = cpu('kindred', name);
    if (micros === undefined || own === undefined) return { goal, measured: undefined, reached: undefined };
    const ofBare = bare === undefined ? '' : `; ${(micros / bare).toFixed(2)} of bare grpc-js`;
    return {
      goal,
      measured: `${(micros / own).toFixed(2)} (${micros.toFixed(0)} and ${own.toFixed(0)} us)${ofBare}`,
      reached: micros / own <= most,
    };
  });
}

const p99MsMax = 10;

function latencyGoals({ latency }: ReportResults): GoalRow[] {
  return ['put QUORUM', 'get QUORUM'].flatMap((name) => {
    const series = latency?.series.find((each) => each.system === 'kindred' && each.name === name);
    const half = series === undefined ? undefined : halfOf(series);
    const busy = latency?.busy.find((each) => each.name === name);
    return [
      {
        goal: `p99 of a unary ${name} at half of its peak at most ${p99MsMax} ms`,
        measured: half === undefined ? undefined : milliseconds(half.p99Ms),
        reached: half === undefined ? undefined : half.p99Ms <= p99MsMax,
      },
      {
        goal: `p99 of a unary ${name} at half of its peak, during compaction and anti-entropy, at most ${2 * p99MsMax} ms`,
        measured:
          busy === undefined ? undefined : `${milliseconds(busy.p99Ms)} (${busy.compactions} compactions)`,
        reached: busy === undefined ? undefined : busy.p99Ms <= 2 * p99MsMax,
      },
    ];
  });
}

/** The point of half of the peak. */
function halfOf({ points }: LatencySeries): LatencySeries['points'][number] | undefined {
  return points.find(({ share }) => share === 0.5);
}

function scaleGoals({ scale }: ReportResults): GoalRow[] {
  const [few, many] = scale?.points ?? [];
  const keys = many === undefined ? '10,000,000' : rate(many.keys).replace('/s', '');
  const shares =
    few === undefined || many === undefined
      ? undefined
      : Object.entries(many.perSecond).map(([name, each]) => ({
          name,
          share: each / (few.perSecond[name] ?? Number.NaN),
        }));
  const resident =
    many === undefined ? undefined : Math.max(many.residentBytes, many.residentBytesOpened) / 2 ** 20;
  return [
    {
      goal: `${keys} keys of 100 bytes on one node open within 5 s`,
      measured: many === undefined ? undefined : `${many.openSeconds.toFixed(1)} s`,
      reached: many === undefined ? undefined : many.openSeconds <= 5,
    },
    {
      goal: 'in at most 1 GiB of memory',
      measured: resident === undefined ? undefined : `${resident.toFixed(0)} MiB`,
      reached: resident === undefined ? undefined : resident <= 1024,
    },
    {
      goal: 'with at least 75 % of the throughput of 100,000 keys',
      measured: shares?.map(({ name, share }) => `${name} ${percent(share)}`).join(', '),
      reached: shares?.every(({ share }) => share >= 0.75),
    },
  ];
}

function overloadGoals({ overload }: ReportResults): GoalRow[] {
  const rows = (overload?.loads ?? []).flatMap((each): GoalRow[] => [
    {
      goal: `${overload?.options.times} x the peak of ${each.name} for ${overload?.options.seconds} s: goodput at least 80 % of the peak`,
      measured: percent(each.goodputPerSecond / each.peakPerSecond),
      reached: each.goodputPerSecond >= 0.8 * each.peakPerSecond,
    },
    {
      goal: `p99 of the admitted (${each.name}) at most 2 x that at the peak`,
      measured: `${milliseconds(each.p99Ms)} and ${milliseconds(each.peakP99Ms)}`,
      reached: each.goodputPerSecond > 0 && each.p99Ms <= 2 * each.peakP99Ms,
    },
    {
      goal: `recovery (${each.name}) within 5 s`,
      measured: each.recoverySeconds === undefined ? 'not seen' : `${each.recoverySeconds} s`,
      reached: each.recoverySeconds !== undefined && each.recoverySeconds <= 5,
    },
  ]);
  const slow = overload?.slowReader;
  const grown = slow === undefined ? undefined : (slow.residentBytesMax - slow.residentBytesBefore) / 2 ** 20;
  return [
    ...(rows.length > 0
      ? rows
      : [{ goal: '5 x overload for 60 s', measured: undefined, reached: undefined }]),
    {
      goal: 'a reader that stops reading costs at most 32 MiB',
      measured: grown === undefined ? undefined : `${grown.toFixed(0)} MiB`,
      reached: grown === undefined ? undefined : grown <= 32,
    },
  ];
}

function rate(perSecond: number): string {
  return `${Math.round(perSecond).toLocaleString('en')}/s`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(1)} ms`;
}
