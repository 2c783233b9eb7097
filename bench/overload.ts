/**
 * `bench overload`: several times the peak, at a fixed rate, for some time: how much is still done in time (goodput), how
 * long the admitted take, what the nodes occupy, and how soon all is well afterwards. And a reader that stops reading.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';
import { startDriver } from './driver.ts';
import { fillOnce } from './interleaved.ts';
import { type LoadSpec, type LoadTimes, load, plainLoad, residentBytes } from './load.ts';
import { openLane } from './load-generator.ts';
import type { LoadSecond } from './load-job.ts';
import { epochMs } from './measurement.ts';
import { type Session, say, tell } from './session.ts';
import { columnTable } from './table.ts';

export interface OverloadOptions {
  /** How many times the peak. */
  readonly times: number;
  readonly seconds: number;
}

interface OverloadResult {
  readonly name: string;
  readonly peakPerSecond: number;
  readonly peakP99Ms: number;
  readonly peakResidentBytes: number;
  readonly offeredPerSecond: number;
  /** Answered well, each second: what was offered and is neither refused, late, nor shed by the client. */
  readonly goodputPerSecond: number;
  readonly p99Ms: number;
  readonly failuresByCode: Readonly<Record<string, number>>;
  readonly shed: number;
  /** The most that one node occupied. */
  readonly residentBytesMax: number;
  /** Until a whole second of half of the peak was answered, with the latency it had before; `undefined`: not in time. */
  readonly recoverySeconds: number | undefined;
  readonly recovery: readonly LoadSecond[];
}

interface SlowReaderResult {
  readonly requests: number;
  readonly askedBytes: number;
  readonly residentBytesBefore: number;
  readonly residentBytesMax: number;
}

/** All results, as they are kept. */
export interface OverloadResults {
  readonly options: OverloadOptions;
  readonly loads: readonly OverloadResult[];
  readonly slowReader: SlowReaderResult;
}

const connections = 48;
const peakInFlight = 8;
/** A client that waits no longer than this gains nothing from a later answer. */
const timeoutMs = 1_000;
const recoverySecondsMax = 15;
/** A second counts as well again with so much of the rate, and with no more than so many times the latency. */
const recoveredShare = 0.95;
const recoveredP99Times = 2;
const recoveredP99MsMin = 10;
const lookMs = 250;

/** The exit code: 0; what the figures are worth stands in the table. */
export async function runOverload(session: Session, options: OverloadOptions): Promise<number> {
  const cluster = await session.kindred();
  const loads: OverloadResult[] = [];
  for (const [name, kind] of [
    ['put QUORUM', 'update'],
    ['get QUORUM', 'read'],
  ] as const) {
    const spec = {
      ...plainLoad,
      target: 'kindred',
      connections,
      timeoutMs,
      mix: { shares: { [kind]: 1 }, distribution: 'uniform' },
    } as const;
    loads.push(await overloaded(cluster, name, spec, options));
  }
  const slowReader = await readerThatStops(cluster);
  say(
    `\n${options.times} times the peak for ${options.seconds} s; deadline ${timeoutMs} ms; latencies of what was answered well\n`,
  );
  say(overloadTable(loads));
  for (const { name, failuresByCode, shed } of loads) {
    say(
      `${name}: refused or failed, by gRPC code: ${JSON.stringify(failuresByCode)}; shed by the client: ${shed}`,
    );
  }
  say(slowReaderText(slowReader));
  await session.keepResults('overload', { options, loads, slowReader } satisfies OverloadResults);
  return 0;
}

/** One line for each load. */
export function overloadTable(loads: readonly OverloadResult[]): string {
  return columnTable(overloadHead, overloadRows(loads));
}

export const overloadHead: readonly string[] = [
  '',
  'recovery',
  'peak/s',
  'offered/s',
  'goodput/s',
  'of peak',
  'p99 ms at peak',
  'p99 ms',
  'MiB at peak',
  'MiB at most',
];

export function overloadRows(loads: readonly OverloadResult[]): readonly (readonly string[])[] {
  return loads.map((each) => [
    each.name,
    each.recoverySeconds === undefined
      ? `not within ${recoverySecondsMax} s`
      : `within ${each.recoverySeconds} s`,
    ...[each.peakPerSecond, each.offeredPerSecond, each.goodputPerSecond].map((rate) =>
      Math.round(rate).toLocaleString('en'),
    ),
    `${((100 * each.goodputPerSecond) / each.peakPerSecond).toFixed(0)} %`,
    each.peakP99Ms.toFixed(1),
    each.p99Ms.toFixed(1),
    mebibytes(each.peakResidentBytes),
    mebibytes(each.residentBytesMax),
  ]);
}

export function slowReaderText(result: SlowReaderResult): string {
  const { requests, askedBytes, residentBytesBefore, residentBytesMax } = result;
  return (
    `a reader that stops reading: asked for ${mebibytes(askedBytes)} MiB in ${requests} gets of 100 KiB and took nothing; ` +
    `its node went from ${mebibytes(residentBytesBefore)} to at most ${mebibytes(residentBytesMax)} MiB`
  );
}

async function overloaded(
  cluster: Cluster,
  name: string,
  spec: Omit<LoadSpec, 'arrivals'>,
  options: OverloadOptions,
): Promise<OverloadResult> {
  const times: LoadTimes = { warmUpMs: 3_000, windowMs: 5_000 };
  const closed = { ...spec, arrivals: { kind: 'closed', inFlight: peakInFlight } } as const;
  await fillOnce(cluster, closed);
  const peak = await load(cluster, closed, times);
  if (peak.perSecond === 0) throw new Error(`${name}: the peak is 0, the machine is too busy`);
  const half = { kind: 'open', perSecond: peak.perSecond / 2, whenFull: 'wait' } as const;
  const before = await load(cluster, { ...spec, arrivals: half }, { warmUpMs: 1_000, windowMs: 4_000 });
  const offeredPerSecond = peak.perSecond * options.times;
  tell(`${name}: peak ${Math.round(peak.perSecond)}/s; now ${Math.round(offeredPerSecond)}/s`);

  const job = { ...spec, kind: 'load', endpoints: cluster.endpoints } as const;
  const [flood, probe] = await Promise.all([
    startDriver({ ...job, arrivals: { kind: 'open', perSecond: offeredPerSecond, whenFull: 'shed' } }),
    startDriver({ ...job, arrivals: half }),
  ]);
  const fromMs = epochMs() + 1_000;
  const untilMs = fromMs + options.seconds * 1000;
  const flooding = flood.run({ fromMs, untilMs });
  const residentBytesMax = await mostResident(cluster, untilMs);
  const recovering = probe.run({ fromMs: untilMs, untilMs: untilMs + recoverySecondsMax * 1000 });
  const [flooded, { seconds: recovery }] = await Promise.all([flooding, recovering]);
  for (const server of cluster.processes) server.assertRunning();

  const p99MsMax = Math.max(recoveredP99MsMin, recoveredP99Times * before.p99Ms);
  const well = recovery.findIndex(
    ({ operations, p99Ms }) => operations >= half.perSecond * recoveredShare && p99Ms <= p99MsMax,
  );
  return {
    name,
    peakPerSecond: peak.perSecond,
    peakP99Ms: peak.p99Ms,
    peakResidentBytes: Math.max(...peak.residentBytes),
    offeredPerSecond,
    goodputPerSecond: flooded.operations / options.seconds,
    p99Ms: flooded.p99Ms,
    failuresByCode: flooded.failuresByCode,
    shed: flooded.shed,
    residentBytesMax,
    recoverySeconds: well === -1 ? undefined : well + 1,
    recovery,
  };
}

/** The most that one node occupies until then. */
async function mostResident(cluster: Cluster, untilMs: number): Promise<number> {
  let most = 0;
  while (epochMs() < untilMs) {
    most = Math.max(most, ...residentBytes(cluster));
    await sleep(Math.min(lookMs, Math.max(1, untilMs - epochMs())));
  }
  return most;
}

const slowValueBytes = 100 * 1024;
const slowKeys = 500;
const slowRequests = 4_000;
const slowSeconds = 10;

/** Grants the node a window of 2 GiB, asks for far more than 32 MiB, and reads nothing. */
async function readerThatStops(cluster: Cluster): Promise<SlowReaderResult> {
  const spec: LoadSpec = {
    ...plainLoad,
    target: 'kindred-pipeline',
    connections: 3,
    valueBytes: slowValueBytes,
    keys: slowKeys,
    arrivals: { kind: 'closed', inFlight: 16 },
  };
  await fillOnce(cluster, spec);
  // The heap takes the size that such answers need anyway.
  await load(cluster, spec, { warmUpMs: 2_000, windowMs: 2_000 });
  const [endpoint = ''] = cluster.endpoints;
  const [first] = cluster.processes;
  const lookAt = (): number => first?.memory()?.residentBytes ?? 0;
  const residentBytesBefore = lookAt();
  const lane = await openLane(endpoint, { ...spec, kind: 'load', endpoints: [endpoint] });
  lane.stopReading();
  let requests = 0;
  while (requests < slowRequests && lane.free > 0) lane.send('read', requests++ % slowKeys, () => {});
  let residentBytesMax = residentBytesBefore;
  const untilMs = performance.now() + slowSeconds * 1000;
  while (performance.now() < untilMs) {
    residentBytesMax = Math.max(residentBytesMax, lookAt());
    await sleep(lookMs);
  }
  lane.close();
  return { requests, askedBytes: requests * slowValueBytes, residentBytesBefore, residentBytesMax };
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}
