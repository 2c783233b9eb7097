/**
 * Tells what happened, for a person: the trace line by line, and of a failed run the short story: its faults and the attempts
 * at the key in the order of time, and then the promise that was broken.
 */

import { status } from '@grpc/grpc-js';
import type { Attempt, KeyHistory, RunHistory, Violation, WriteAttempt } from '../../checkers/history.ts';
import { concerns, type TraceEntry } from '../kernel/trace.ts';
import type { FaultPlan, SeedPlan } from '../plan/seed-plan.ts';
import type { SeedResult } from '../seed-result.ts';
import { duration, grouped } from './progress.ts';
import { sizeOf } from './shrink.ts';

/** Lines of one key's story, at most: what lies far from the violation is left out. */
const linesMax = 60;
const width = 110;
/** Of the key whose story is told. */
const violationsMax = 4;

/** `    1,234.567  n2     frame    #12 to n3: ...`; `focus`: the key that is asked for, where the line concerns several. */
export function entryLine(entry: TraceEntry, focus?: string, names?: ReplicaNames): string {
  const { atMicros, kind, at, peer, message, direction, attempt, key, text } = entry;
  const arrow = direction === undefined ? '' : { sent: '->', arrived: '<-', lost: '-x' }[direction];
  const other = peer === undefined ? '' : `${arrow === '' ? '' : `${arrow} `}${peer}`;
  const number = message === undefined ? '' : ` #${message}`;
  const among = key ?? (focus !== undefined && concerns(entry, focus) ? focus : '');
  const about = [attempt === undefined ? '' : `attempt ${attempt}`, among].filter((part) => part !== '');
  const before = about.length === 0 ? '' : `[${about.join(' ')}] `;
  return `${time(atMicros / 1000)}  ${at.padEnd(4)} ${kind.padEnd(7)} ${`${other}${number}`.padEnd(14)} ${before}${names?.shorten(text) ?? text}`;
}

/** What is there to tell of a run, whatever came of it. */
export function resultLines(plan: SeedPlan, result: SeedResult): readonly string[] {
  const { counts, hash, virtualMs, seed } = result;
  return [
    `seed ${seed}: hash ${hash}${plan.profile === undefined ? '' : `, ${plan.profile}`}, ${plan.nodes.length} nodes, ${sizeOf(plan)}`,
    `  ${grouped(counts.operations)} operations: writes ${grouped(counts.acknowledged)} acknowledged, ` +
      `${grouped(counts.unknown)} unknown, ${grouped(counts.notApplied)} not applied; ` +
      `reads ${grouped(counts.reads)} answered, ${grouped(counts.failedReads)} failed`,
    `  ${grouped(counts.faults)} faults and ${grouped(counts.restarts)} restarts in ${duration(virtualMs)} of virtual time, ` +
      `${grouped(counts.events)} events`,
  ];
}

/** The short story of a failed run. `entries`: its whole trace. */
export function failureStory(plan: SeedPlan, result: SeedResult, entries: readonly TraceEntry[]): string {
  const lines = [...resultLines(plan, result), ...weatherLines(plan)];
  const times = faultTimes(plan, entries);
  const [first] = result.violations;
  if (first !== undefined) {
    const isSameKey = (other: { readonly bucket: string; readonly key: string }): boolean =>
      other.bucket === first.bucket && other.key === first.key;
    const key = result.history.keys.find(isSameKey);
    const names = new ReplicaNames(result.history);
    const violations = result.violations.filter(isSameKey).slice(0, violationsMax);
    lines.push('', ...timeline({ plan, times, entries, key, violations, names }));
    for (const violation of violations) lines.push(...violationLines(violation, names));
    lines.push(...tally(result.violations, violations.length));
  }
  if (result.crash !== undefined) {
    if (first === undefined) {
      const names = new ReplicaNames(result.history);
      lines.push('', ...timeline({ plan, times, entries, key: undefined, violations: [], names }));
    }
    lines.push('', 'crash', ...result.crash.split('\n').map((line) => `  ${line}`));
  }
  return `${lines.join('\n')}\n`;
}

/** What else was broken, by checker. */
function tally(violations: readonly Violation[], told: number): readonly string[] {
  if (violations.length === told) return [];
  const counts = new Map<string, number>();
  for (const { checker } of violations) counts.set(checker, (counts.get(checker) ?? 0) + 1);
  const list = [...counts].map(([checker, count]) => `${checker} ${grouped(count)}`).join(', ');
  return wrapped(`In all ${brokenPromises(violations.length)}: ${list}`, '');
}

/** `1 broken promise`, `8 broken promises` */
export function brokenPromises(count: number): string {
  return `${grouped(count)} broken promise${count === 1 ? '' : 's'}`;
}

/** What is usual in the world of the plan. */
function weatherLines({ network, disk, clocks }: SeedPlan): readonly string[] {
  const ms = (micros: number): string => `${Number((micros / 1000).toFixed(1))} ms`;
  const off = clocks.map(({ wallOffsetMicros }) => wallOffsetMicros);
  const parts = [
    `links ${ms(network.latencyMin)} to ${ms(network.latencyMax)}`,
    network.lossPercent > 0
      ? `${network.lossPercent}% lost and sent again after ${ms(network.retransmitMicros)}`
      : '',
    network.spikePercent > 0 ? `${network.spikePercent}% late by up to ${ms(network.spikeMicros)}` : '',
    disk.stallPercent > 0 ? `${disk.stallPercent}% of disk operations stall for ${ms(disk.stallMicros)}` : '',
    off.some((micros) => micros !== 0)
      ? `clocks off by ${ms(Math.min(...off))} to ${ms(Math.max(...off))}`
      : '',
  ];
  return [`  weather: ${parts.filter((part) => part !== '').join('; ')}`];
}

/** `nothing-acknowledged-lost, default/k3, at 12,345.678 ms` and what it says. */
export function violationLines(violation: Violation, names?: ReplicaNames): readonly string[] {
  const { checker, bucket, key, atMs, message } = violation;
  const where = bucket === '' && key === '' ? '' : `, ${bucket}/${key}`;
  const text = names === undefined ? message : names.shorten(message);
  return [
    `BROKEN PROMISE: ${checker}${where}, at ${time(atMs).trim()} ms`,
    ...text.split('\n').flatMap((line) => wrapped(line, '  ')),
  ];
}

/** When each fault began, in milliseconds. The plan counts from the first call of the clients, the trace from the beginning. */
export function faultTimes(plan: SeedPlan, entries: readonly TraceEntry[]): ReadonlyMap<number, number> {
  const times = new Map<number, number>();
  let offsetMs = 0;
  for (const { kind, atMicros, text } of entries) {
    const id = kind === 'fault' ? Number(/^fault (\d+) begins/.exec(text)?.[1] ?? Number.NaN) : Number.NaN;
    const fault = Number.isNaN(id) ? undefined : plan.faults.find((one) => one.id === id);
    if (fault === undefined) continue;
    times.set(id, atMicros / 1000);
    offsetMs = atMicros / 1000 - fault.atMs;
  }
  // A run without a trace: as near as the plan tells.
  if (times.size === 0) for (const fault of plan.faults) times.set(fault.id, fault.atMs + offsetMs);
  return times;
}

/** `partition both: n1 n2 | n3, for 800 ms` */
export function faultText(fault: FaultPlan): string {
  const { kind, id: _id, atMs: _atMs, ...rest } = fault;
  const parts = Object.entries(rest).map(([name, value]) => {
    if (name === 'node' || name === 'direction') return String(value);
    if (name === 'from') return [value].flat().join(' ');
    if (name === 'to') return `| ${[value].flat().join(' ')}`;
    if (typeof value === 'boolean') return value ? `with ${name}` : '';
    return name.endsWith('Ms') ? `${name.slice(0, -2)} ${grouped(Number(value))} ms` : `${name} ${value}`;
  });
  return [kind, ...parts.filter((part) => part !== '')].join(' ');
}

interface Line {
  readonly atMs: number;
  readonly text: string;
  readonly matters: boolean;
}

interface Told {
  readonly plan: SeedPlan;
  readonly times: ReadonlyMap<number, number>;
  readonly entries: readonly TraceEntry[];
  readonly key: KeyHistory | undefined;
  readonly violations: readonly Violation[];
  readonly names: ReplicaNames;
}

function timeline({ plan, times, entries, key, violations, names }: Told): readonly string[] {
  const proof = new Set(violations.flatMap(({ attempts }) => attempts));
  const lines: Line[] = plan.faults.flatMap((fault) => {
    const atMs = times.get(fault.id);
    return atMs === undefined
      ? []
      : [{ atMs, text: `       fault ${fault.id}: ${faultText(fault)}`, matters: true }];
  });
  for (const { kind, atMicros, text } of entries) {
    if (kind === 'fault' && !/^fault \d+ (begins|ends)/.test(text))
      lines.push({ atMs: atMicros / 1000, text: `       ${text}`, matters: true });
    // Everybody starts once.
    if (kind === 'process' && atMicros > 0 && times.size > 0)
      lines.push({ atMs: atMicros / 1000, text: `       ${text}`, matters: false });
  }
  for (const attempt of key?.attempts ?? []) {
    const mark = proof.has(attempt.id) ? '>' : ' ';
    lines.push({
      atMs: attempt.invokedMs,
      text: `${mark} ${attemptLine(attempt, names)}`,
      matters: proof.has(attempt.id),
    });
  }
  const dots = new Set((key?.attempts ?? []).filter(({ id }) => proof.has(id)).flatMap(dotsOf));
  for (const { atMs, node, value, dot } of key?.witnessed ?? []) {
    const matters = dots.has(dot);
    const text = `${matters ? '>' : ' '}      ${node} stores ${value ?? 'a deletion'} (${names.shorten(dot)})`;
    lines.push({ atMs, text, matters });
  }
  lines.sort((a, b) => a.atMs - b.atMs);
  const [broken] = violations;
  const after = broken === undefined ? -1 : lines.findIndex(({ atMs }) => atMs > broken.atMs);
  const before = after === -1 ? lines : lines.slice(0, after);
  const head =
    key === undefined
      ? 'what failed when'
      : `${key.bucket}/${key.key} on ${key.homes.join(', ')} (> marks what the violation is about)`;
  const separator = broken === undefined ? [] : [`${time(broken.atMs)}  --- here the promise is broken ---`];
  const rest = lines.length - before.length;
  if (rest > 0) separator.push(`             ... ${rest} more`);
  const told = [head, ...shortened(before), ...separator];
  return [...told, ...legend(names.knownIn(told.join('\n'))), ''];
}

/** Keeps what matters and what is near it. */
function shortened(lines: readonly Line[]): readonly string[] {
  let keep = new Set(lines.keys());
  for (
    let near = 8;
    lines.length > linesMax && keep.size > linesMax && near >= 0;
    near = near === 0 ? -1 : near >> 1
  ) {
    const matters = lines.flatMap((line, index) => (line.matters ? [index] : []));
    keep = new Set(
      matters.flatMap((index) => Array.from({ length: 2 * near + 1 }, (_, k) => index - near + k)),
    );
  }
  const told: string[] = [];
  let left = 0;
  const tellLeft = (): void => {
    if (left > 0) told.push(`             ... ${left} more`);
    left = 0;
  };
  lines.forEach((line, index) => {
    if (!keep.has(index)) {
      left++;
      return;
    }
    tellLeft();
    told.push(`${time(line.atMs)}  ${line.text}`);
  });
  tellLeft();
  return told;
}

function attemptLine(attempt: Attempt, names: ReplicaNames): string {
  const { id, client, node, invokedMs, returnedMs } = attempt;
  const took =
    returnedMs === Number.POSITIVE_INFINITY ? 'never ends' : `${(returnedMs - invokedMs).toFixed(1)} ms`;
  const did = attempt.kind === 'write' ? writeText(attempt) : readText(attempt);
  const line = `${String(id).padStart(4)} ${client.padEnd(3)} ${node.padEnd(3)} ${took.padStart(10)}  ${did}`;
  return `${line}: ${names.shorten(outcomeText(attempt))}`;
}

function writeText({
  action,
  value,
  causality,
  level,
  durability,
  requestId,
  write,
  id,
}: WriteAttempt): string {
  const what = value === undefined ? action : `${action} ${value}`;
  const again = write === id ? '' : ` (write ${write} again)`;
  const named = requestId === undefined ? '' : ` request ${requestId.slice(-6)}`;
  return `${what}${again} ${causality} ${level} ${durability}${named}`;
}

function readText(attempt: Attempt & { kind: 'read' }): string {
  const least = attempt.minContext === undefined ? '' : ' with min_context';
  return `${attempt.final ? 'final read' : 'read'} ${attempt.level}${least}`;
}

function outcomeText(attempt: Attempt): string {
  if (attempt.kind === 'read') {
    const { outcome } = attempt;
    if (outcome.kind === 'failed') return `failed, ${codeName(outcome.code)} ${outcome.message}`;
    if (outcome.versions.length === 0) return 'nothing there';
    return outcome.versions.map(({ value, dot }) => `${value ?? 'deletion'} (${dot})`).join(', ');
  }
  const { outcome } = attempt;
  if (outcome.kind !== 'done') return `${outcome.kind}, ${codeName(outcome.code)} ${outcome.message}`;
  const by = outcome.coordinator === attempt.node ? '' : ` by ${outcome.coordinator}`;
  const hinted = outcome.hinted > 0 ? `, hinted ${outcome.hinted}` : '';
  return `${outcome.replayed ? 'replayed' : 'done'}${by}, acked ${outcome.acked}, synced ${outcome.synced}${hinted} (${outcome.dot ?? 'no dot told'})`;
}

/** `DEADLINE_EXCEEDED` */
function codeName(code: number): string {
  return status[code] ?? String(code);
}

/** The versions that an attempt made or saw. */
function dotsOf({ outcome }: Attempt): readonly string[] {
  if (outcome.kind !== 'done') return [];
  if ('versions' in outcome) return outcome.versions.map(({ dot }) => dot);
  return outcome.dot === undefined ? [] : [outcome.dot];
}

function legend(known: ReplicaNames['known']): readonly string[] {
  if (known.length === 0) return [];
  const list = known.map(([replica, name]) => `${name} = ${replica}`).join(', ');
  return wrapped(`Replica ids in dots: ${list}`, '             ');
}

/** Replicas have ids of sixteen digits. A person knows them by their nodes: `n2`, and `n2'` after its disk was replaced. */
export class ReplicaNames {
  readonly #names = new Map<string, string>();

  constructor({ keys }: RunHistory) {
    const lives = new Map<string, number>();
    const made = keys.flatMap(({ attempts }) => attempts).sort((a, b) => a.invokedMs - b.invokedMs);
    for (const attempt of made) {
      if (attempt.kind !== 'write' || attempt.outcome.kind !== 'done' || attempt.outcome.replayed) continue;
      const { dot, coordinator } = attempt.outcome;
      const replica = dot?.split('/')[0];
      if (replica === undefined || coordinator === '' || this.#names.has(replica)) continue;
      const life = lives.get(coordinator) ?? 0;
      lives.set(coordinator, life + 1);
      this.#names.set(replica, coordinator + "'".repeat(life));
    }
  }

  get known(): readonly (readonly [replica: string, name: string])[] {
    return [...this.#names];
  }

  /** Those whose dots stand in a text that was shortened. */
  knownIn(text: string): ReplicaNames['known'] {
    const used = new Set(Array.from(text.matchAll(/[(\s](n\d+'*)\/\d+\/\d+/g), (match) => match[1]));
    return this.known.filter(([, name]) => used.has(name));
  }

  shorten(text: string): string {
    return text.replace(/\d{6,}(?=\/\d+\/\d+)/g, (replica) => this.#names.get(replica) ?? replica);
  }
}

function wrapped(text: string, indent: string): readonly string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    if (line.length + word.length > width && line.trim() !== '') {
      lines.push(line.trimEnd());
      line = indent;
    }
    line += `${word} `;
  }
  lines.push(line.trimEnd());
  return lines;
}

/** `   12,345.678`, for columns. */
function time(ms: number): string {
  const [whole = '0', fraction = '000'] = ms.toFixed(3).split('.');
  return `${grouped(Number(whole))}.${fraction}`.padStart(11);
}
