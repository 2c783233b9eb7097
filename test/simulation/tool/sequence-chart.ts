/**
 * Draws a run as a page that a browser shows without anything else: a lane for each client and node, time going down, an
 * arrow for each message, and what was lost ends in a cross. Only the time around the violation is drawn, in one window or
 * several, and the time between them is left out.
 */

import type { Attempt, KeyHistory } from '../../checkers/history.ts';
import type { TraceEntry } from '../kernel/trace.ts';
import type { FaultPlan, SeedPlan } from '../plan/seed-plan.ts';
import type { SeedResult } from '../seed-result.ts';
import { grouped } from './progress.ts';
import { brokenPromises, faultText, faultTimes, ReplicaNames } from './story.ts';
import type { TraceFilter } from './trace-filter.ts';

/** A stretch of time that is drawn. */
export interface ChartWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

const laneWidth = 118;
const leftMargin = 96;
const topMargin = 64;
const gapHeight = 34;
/** Room for the bars of faults, right of the lanes. */
const faultsWidth = 380;
/** More messages than this make no picture: those about nothing in particular are left out first. */
const arrowsMax = 6000;
const marginMs = 40;
/** Windows nearer than this become one. */
const joinMs = 100;
/** Boxes that can be pointed at. */
const boxHeightMin = 8;
/** Boxes side by side on one lane; more lie over each other. */
const columnsMax = 4;
/** An attempt that never ended is shown for so long. */
const openMs = 500;

/** The whole page. `entries`: the whole trace of the run. */
export function sequenceChart(
  plan: SeedPlan,
  result: SeedResult,
  entries: readonly TraceEntry[],
  filter: TraceFilter = {},
): string {
  return new Chart(plan, result, entries, windowsOf(result, filter)).page();
}

/** The windows that are worth drawing: those asked for, or those of the first violation's attempts, or the whole run. */
export function windowsOf(result: SeedResult, { fromMs, toMs }: TraceFilter): readonly ChartWindow[] {
  if (fromMs !== undefined || toMs !== undefined)
    return [{ fromMs: fromMs ?? 0, toMs: toMs ?? result.virtualMs }];
  const [violation] = result.violations;
  if (violation === undefined) return [{ fromMs: 0, toMs: result.virtualMs }];
  const proof = attemptsOf(result.history.keys).filter(({ id }) => violation.attempts.includes(id));
  const spans = proof.map(({ invokedMs, returnedMs }) => ({
    fromMs: Math.max(0, invokedMs - marginMs),
    toMs: Math.min(returnedMs, invokedMs + 4 * openMs) + marginMs,
  }));
  if (spans.length === 0)
    spans.push({ fromMs: Math.max(0, violation.atMs - 10 * marginMs), toMs: violation.atMs + marginMs });
  spans.sort((a, b) => a.fromMs - b.fromMs);
  const joined: ChartWindow[] = [];
  for (const span of spans) {
    const last = joined.at(-1);
    if (last !== undefined && span.fromMs - last.toMs < joinMs)
      joined[joined.length - 1] = { fromMs: last.fromMs, toMs: Math.max(last.toMs, span.toMs) };
    else joined.push(span);
  }
  return joined;
}

interface Arrow {
  readonly sent: TraceEntry;
  readonly arrived: TraceEntry | undefined;
  readonly lost: boolean;
}

class Chart {
  readonly #plan: SeedPlan;
  readonly #result: SeedResult;
  readonly #entries: readonly TraceEntry[];
  readonly #windows: readonly ChartWindow[];
  readonly #lanes: readonly string[];
  readonly #tops: readonly number[];
  readonly #pixelsPerMs: number;
  readonly #height: number;
  readonly #proof: ReadonlySet<number>;
  readonly #faultTimes: ReadonlyMap<number, number>;
  #leftOut = 0;

  constructor(
    plan: SeedPlan,
    result: SeedResult,
    entries: readonly TraceEntry[],
    windows: readonly ChartWindow[],
  ) {
    this.#plan = plan;
    this.#result = result;
    this.#windows = windows;
    this.#faultTimes = faultTimes(plan, entries);
    this.#entries = entries.filter(({ atMicros }) => this.#isShown(atMicros / 1000));
    this.#proof = new Set(result.violations[0]?.attempts);
    const seen = new Set(this.#entries.flatMap(({ at, peer }) => [at, peer ?? '']));
    const clients = plan.clients.map(({ name }) => name).filter((name) => seen.has(name));
    const known = new Set(['', ...clients, ...plan.nodes]);
    const others = [...seen].filter((name) => !known.has(name));
    this.#lanes = [...clients, ...others, ...plan.nodes];
    const totalMs = windows.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
    const wanted = Math.min(16_000, Math.max(700, this.#entries.length * 5));
    this.#pixelsPerMs = wanted / Math.max(1, totalMs);
    const tops: number[] = [];
    let top = topMargin;
    for (const { fromMs, toMs } of windows) {
      tops.push(top);
      top += (toMs - fromMs) * this.#pixelsPerMs + gapHeight;
    }
    this.#tops = tops;
    this.#height = top;
  }

  page(): string {
    const { seed, violations, hash, crash } = this.#result;
    const body = [
      this.#frame(),
      this.#laneLines(),
      this.#faults(),
      this.#attempts(),
      this.#arrows(),
      this.#marks(),
      this.#violations(),
    ].join('\n');
    const failed = violations.length > 0 || crash !== undefined;
    const title = `Seed ${seed}: ${failed ? brokenPromises(violations.length) : 'nothing failed'}`;
    const list = violations
      .slice(0, 10)
      .map(
        ({ checker, bucket, key, atMs, message }) =>
          `<li><b>${escaped(checker)}</b> ${escaped(bucket)}/${escaped(key)} at ${clock(atMs)} ms: ${escaped(message)}</li>`,
      )
      .join('\n');
    const shown = this.#windows.map(({ fromMs, toMs }) => `${clock(fromMs)} to ${clock(toMs)} ms`).join(', ');
    const note =
      this.#leftOut === 0
        ? ''
        : ` ${grouped(this.#leftOut)} messages are left out: choose less time with --from-ms and --to-ms.`;
    const names = new ReplicaNames(this.#result.history);
    return names.shorten(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}</title>
<style>${style}</style></head><body>
<header><h1>${escaped(title)}</h1>
<p>hash ${escaped(hash)}; shown: ${shown} of ${clock(this.#result.virtualMs)} ms.${note}</p>
${crash === undefined ? '' : `<pre class="bad">${escaped(crash)}</pre>`}
<ul class="bad">${list}</ul>
<p class="keys">${toggles}</p></header>
<main>${this.#svg(body)}</main>
<script>${script}</script></body></html>
`);
  }

  #svg(body: string): string {
    const room = body.includes('class="fault"') ? faultsWidth : 0;
    const width = leftMargin + this.#lanes.length * laneWidth + room;
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${px(this.#height)}" font-size="11">
<defs><marker id="head" markerWidth="7" markerHeight="7" refX="6" refY="3" orient="auto"><path d="M0 0L6 3L0 6z"/></marker></defs>
${body}
</svg>`;
  }

  /** Time on the left, and what is left out between the windows. */
  #frame(): string {
    const width = leftMargin + this.#lanes.length * laneWidth;
    return this.#windows
      .map(({ fromMs, toMs }, index) => {
        const stepMs = niceStep(60 / this.#pixelsPerMs);
        const ticks: string[] = [];
        for (let ms = Math.ceil(fromMs / stepMs) * stepMs; ms <= toMs; ms += stepMs) {
          const y = px(this.#y(ms));
          ticks.push(`<line class="grid" x1="${leftMargin - 6}" x2="${width}" y1="${y}" y2="${y}"/>`);
          ticks.push(`<text class="time" x="${leftMargin - 10}" y="${y}" dy="4">${clock(ms)}</text>`);
        }
        const next = this.#windows[index + 1];
        if (next !== undefined) {
          const y = this.#y(toMs);
          ticks.push(
            `<rect class="gap" x="0" width="${width}" y="${px(y)}" height="${gapHeight}"/>`,
            `<text class="gap" x="${leftMargin}" y="${px(y + 21)}">${clock(next.fromMs - toMs)} ms are left out</text>`,
          );
        }
        return ticks.join('');
      })
      .join('\n');
  }

  #laneLines(): string {
    return this.#lanes
      .map((lane) => {
        const x = this.#x(lane);
        const kind = this.#plan.nodes.includes(lane) ? 'node' : 'client';
        const profile = this.#plan.clients.find(({ name }) => name === lane)?.profile;
        return (
          `<line class="lane ${kind}" x1="${x}" x2="${x}" y1="${topMargin - 14}" y2="${px(this.#height)}"/>` +
          `<text class="lane" x="${x}" y="${topMargin - 34}">${escaped(lane)}</text>` +
          (profile === undefined ? '' : `<text class="sub" x="${x}" y="${topMargin - 21}">${profile}</text>`)
        );
      })
      .join('\n');
  }

  /** Bars beside the lanes and over the lanes of the nodes, for as long as each lasts. */
  #faults(): string {
    const ends: number[] = [];
    const left = leftMargin + this.#lanes.length * laneWidth;
    const bars: string[] = [];
    for (const fault of this.#plan.faults) {
      const atMs = this.#faultTimes.get(fault.id);
      if (atMs === undefined) continue;
      const endMs = atMs + lengthMs(fault);
      const visible = this.#windows.filter(({ fromMs, toMs }) => atMs <= toMs && endMs >= fromMs);
      const [first, last] = [visible[0], visible.at(-1)];
      if (first === undefined || last === undefined) continue;
      const top = this.#y(Math.max(atMs, first.fromMs));
      const bottom = Math.max(top + 5, this.#y(Math.min(endMs, last.toMs)));
      let column = ends.findIndex((end) => end < top);
      if (column === -1) column = ends.length;
      // The text needs its height too.
      ends[column] = Math.max(bottom, top + 14);
      const title = `<title>fault ${fault.id}: ${escaped(faultText(fault))}\n${clock(atMs)} to ${clock(endMs)} ms</title>`;
      const [y, height] = [px(top), px(bottom - top)];
      for (const node of 'node' in fault ? [fault.node] : []) {
        if (this.#lanes.includes(node))
          bars.push(
            `<rect class="fault on-lane" x="${this.#x(node) - 9}" width="18" y="${y}" height="${height}">${title}</rect>`,
          );
      }
      const x = left + 10 + column * 34;
      bars.push(
        `<g>${title}<rect class="fault" x="${x}" width="9" y="${y}" height="${height}"/>` +
          `<text class="fault" x="${x + 12}" y="${px(top + 9)}">${fault.id} ${column === 0 ? escaped(faultText(fault)) : escaped(fault.kind)}</text></g>`,
      );
    }
    return bars.join('\n');
  }

  /** A box on the client's lane for each attempt, marked where it is part of the proof. */
  #attempts(): string {
    const boxes: string[] = [];
    // The proof last: it lies above the others.
    const attempts = attemptsOf(this.#result.history.keys);
    const columns = columnsOf(attempts);
    const isLast = ({ id }: Attempt): number => (this.#proof.has(id) ? 1 : 0);
    for (const attempt of attempts.toSorted((a, b) => isLast(a) - isLast(b))) {
      const { id, client, invokedMs, returnedMs, bucket, key } = attempt;
      const endMs = returnedMs === Number.POSITIVE_INFINITY ? invokedMs + openMs : returnedMs;
      const window = this.#windows.find(({ fromMs, toMs }) => invokedMs <= toMs && endMs >= fromMs);
      if (window === undefined || !this.#lanes.includes(client)) continue;
      const isProof = this.#proof.has(id);
      const top = this.#y(Math.max(invokedMs, window.fromMs));
      const bottom = Math.max(top + boxHeightMin, this.#y(Math.min(endMs, window.toMs)));
      const x = this.#x(client) + (columns.get(id) ?? 0) * 14;
      const title = `<title>${escaped(attemptTitle(attempt))}</title>`;
      boxes.push(
        `<g class="attempt${isProof ? ' proof' : ''}">${title}` +
          `<rect x="${x - 6}" width="12" y="${px(top)}" height="${px(bottom - top)}"/>` +
          (isProof
            ? `<text x="${x + 9}" y="${px(top + 9)}">${id} ${attempt.kind === 'write' ? `${attempt.action} ${escaped(attempt.value ?? '')}` : `read ${escaped(bucket)}/${escaped(key)}`}</text>`
            : '') +
          '</g>',
      );
    }
    return boxes.join('\n');
  }

  #arrows(): string {
    const arrows = pairMessages(this.#entries);
    const important = (arrow: Arrow): number =>
      (arrow.sent.attempt !== undefined || arrow.sent.kind === 'client' ? 4 : 0) + (arrow.lost ? 2 : 0);
    const kept =
      arrows.length <= arrowsMax
        ? arrows
        : [...arrows].sort((a, b) => important(b) - important(a)).slice(0, arrowsMax);
    this.#leftOut = arrows.length - kept.length;
    return kept.map((arrow) => this.#arrow(arrow)).join('\n');
  }

  #arrow({ sent, arrived, lost }: Arrow): string {
    const { at, peer = '', attempt, kind, text } = sent;
    if (!this.#lanes.includes(at) || !this.#lanes.includes(peer)) return '';
    const [x1, y1] = [this.#x(at), this.#y(sent.atMicros / 1000)];
    const reach = arrived === undefined ? 0.5 : 1;
    const x2 = x1 + (this.#x(peer) - x1) * reach;
    const y2 = arrived === undefined ? y1 + 6 : this.#y(arrived.atMicros / 1000);
    const isProof = attempt !== undefined && this.#proof.has(attempt);
    const state = lost ? ' lost' : arrived === undefined ? ' under-way' : '';
    const end =
      arrived !== undefined
        ? `${clock(arrived.atMicros / 1000)} ms`
        : lost
          ? 'lost'
          : 'not arrived in the time shown';
    const cross = lost
      ? `<path class="cross" d="M${px(x2 - 4)} ${px(y2 - 4)}l8 8m0 -8l-8 8"/>`
      : arrived === undefined
        ? `<circle class="open" cx="${px(x2)}" cy="${px(y2)}" r="3"/>`
        : '';
    return (
      `<g class="message ${text.startsWith('heartbeat ') ? 'heartbeat' : kind}${state}${isProof ? ' proof' : ''}"><title>${escaped(`${at} to ${peer}: ${text}`)}\n` +
      `${clock(sent.atMicros / 1000)} ms, ${end}</title>` +
      `<line x1="${x1}" y1="${px(y1)}" x2="${px(x2)}" y2="${px(y2)}"/>${cross}</g>`
    );
  }

  /** What happens at one place: lives of processes, disks, streams, logs. */
  #marks(): string {
    return this.#entries
      .filter(
        ({ kind, direction, at }) => direction === undefined && kind !== 'client' && this.#lanes.includes(at),
      )
      .map(({ kind, at, atMicros, sinceMicros, text, peer }) => {
        const [x, y] = [this.#x(at), this.#y(atMicros / 1000)];
        const title = `<title>${escaped(`${at}${peer === undefined ? '' : ` and ${peer}`}, ${clock(atMicros / 1000)} ms, ${kind}: ${text}`)}</title>`;
        const label =
          kind === 'process'
            ? `<text x="${x + 8}" y="${px(y + 4)}">${escaped(text.replace(`${at} `, '').slice(0, 60))}</text>`
            : '';
        if (sinceMicros !== undefined) {
          const top = this.#y(sinceMicros / 1000);
          const height = Math.max(boxHeightMin / 2, y - top);
          return `<g class="mark ${kind}">${title}<rect x="${x - 3}" width="6" y="${px(top)}" height="${px(height)}"/></g>`;
        }
        return `<g class="mark ${kind}">${title}<circle cx="${x}" cy="${px(y)}" r="${kind === 'process' ? 5 : 3}"/>${label}</g>`;
      })
      .join('\n');
  }

  #violations(): string {
    const right = leftMargin + this.#lanes.length * laneWidth;
    return this.#result.violations
      .filter(({ atMs }) => this.#isShown(atMs))
      .slice(0, 20)
      .map(({ checker, message, atMs, bucket, key }, index) => {
        const y = px(this.#y(atMs));
        // One text can be read; the others are in the list above, and in their titles.
        const text = index === 0 ? `${checker}, ${bucket}/${key}` : '';
        return (
          `<g class="violation"><title>${escaped(message)}</title><line x1="${leftMargin - 6}" x2="${right}" y1="${y}" y2="${y}"/>` +
          `<text x="${leftMargin}" y="${y}" dy="-4">${escaped(text)}</text></g>`
        );
      })
      .join('\n');
  }

  #isShown(ms: number): boolean {
    return this.#windows.some(({ fromMs, toMs }) => ms >= fromMs && ms <= toMs);
  }

  #x(lane: string): number {
    return leftMargin + (this.#lanes.indexOf(lane) + 0.5) * laneWidth;
  }

  #y(ms: number): number {
    const after = this.#windows.findIndex(({ toMs }) => ms <= toMs);
    const index = after === -1 ? this.#windows.length - 1 : after;
    const window = this.#windows[index] as ChartWindow;
    const within = Math.min(Math.max(ms, window.fromMs), window.toMs) - window.fromMs;
    return (this.#tops[index] as number) + within * this.#pixelsPerMs;
  }
}

/** Both ends of each message, by its number and the way it went: a call and its answer have one number. */
export function pairMessages(entries: readonly TraceEntry[]): readonly Arrow[] {
  const arrows: Arrow[] = [];
  const underWay = new Map<string, { sent: TraceEntry; index: number }[]>();
  for (const entry of entries) {
    const { direction, message, at, peer } = entry;
    if (direction === undefined || message === undefined || peer === undefined) continue;
    const forth = `${message} ${at} ${peer}`;
    if (direction === 'sent') {
      const list = underWay.get(forth) ?? [];
      underWay.set(forth, list);
      list.push({ sent: entry, index: arrows.length });
      arrows.push({ sent: entry, arrived: undefined, lost: false });
      continue;
    }
    const from = underWay.get(direction === 'arrived' ? `${message} ${peer} ${at}` : forth)?.shift();
    if (from !== undefined)
      arrows[from.index] = {
        sent: from.sent,
        arrived: direction === 'arrived' ? entry : undefined,
        lost: direction === 'lost',
      };
    else if (direction === 'lost') arrows.push({ sent: entry, arrived: undefined, lost: true });
  }
  return arrows;
}

function attemptsOf(keys: readonly KeyHistory[]): readonly Attempt[] {
  return keys.flatMap(({ attempts }) => attempts);
}

/** What a client does at the same time stands side by side: the column of each attempt, by its id. */
function columnsOf(attempts: readonly Attempt[]): ReadonlyMap<number, number> {
  const columns = new Map<number, number>();
  const ends = new Map<string, number[]>();
  for (const { id, client, invokedMs, returnedMs } of attempts.toSorted(
    (a, b) => a.invokedMs - b.invokedMs,
  )) {
    const own = ends.get(client) ?? [];
    ends.set(client, own);
    const free = own.findIndex((end) => end <= invokedMs);
    const column = free === -1 ? Math.min(own.length, columnsMax - 1) : free;
    own[column] = Math.min(returnedMs, invokedMs + openMs);
    columns.set(id, column);
  }
  return columns;
}

function attemptTitle(attempt: Attempt): string {
  const { id, client, node, bucket, key, level, invokedMs, returnedMs, outcome } = attempt;
  const what =
    attempt.kind === 'write'
      ? `${attempt.action} ${attempt.value ?? ''} ${attempt.causality} ${attempt.durability}`
      : 'read';
  const end = returnedMs === Number.POSITIVE_INFINITY ? 'never' : clock(returnedMs);
  const answer =
    attempt.kind === 'read' && attempt.outcome.kind === 'done'
      ? attempt.outcome.versions.map(({ value }) => value ?? 'deletion').join(', ')
      : 'message' in outcome
        ? outcome.message
        : '';
  return `attempt ${id}: ${client} to ${node}, ${bucket}/${key}\n${what} ${level}\n${clock(invokedMs)} to ${end} ms\n${outcome.kind} ${answer}`;
}

function lengthMs(fault: FaultPlan): number {
  if ('forMs' in fault) return fault.forMs;
  return 'downMs' in fault ? fault.downMs : 0;
}

/** The next of 1, 2, 5, 10, 20, 50 ... */
function niceStep(ms: number): number {
  let power = 0.001;
  for (;;) {
    for (const factor of [1, 2, 5]) if (power * factor >= ms) return power * factor;
    power *= 10;
  }
}

function clock(ms: number): string {
  const [whole = '0', fraction = '0'] = ms.toFixed(1).split('.');
  return `${grouped(Number(whole))}.${fraction}`;
}

function px(number: number): string {
  return number.toFixed(1);
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

const toggles = [
  ['client', 'calls of clients', true],
  ['frame', 'messages between nodes', true],
  ['heartbeat', 'heartbeats', false],
  ['disk', 'disks', true],
  ['stream', 'streams', true],
  ['log', 'logs', false],
]
  .map(
    ([kind, label, on]) =>
      `<label><input type="checkbox" data-kind="${kind}"${on ? ' checked' : ''}> ${label}</label>`,
  )
  .join(' ');

/** Only for the boxes: without it everything is shown. */
const script = `for (const box of document.querySelectorAll('input[data-kind]')) {
  const show = () => document.querySelectorAll('svg g.' + box.dataset.kind + ':not(.proof)')
    .forEach((g) => { g.style.display = box.checked ? '' : 'none'; });
  box.addEventListener('change', show);
  show();
}`;

const style = `body{margin:0;font:14px system-ui,sans-serif;color:#1c2733;background:#fff}
header{padding:12px 20px;border-bottom:1px solid #d5dce3;position:sticky;left:0}
h1{font-size:19px;margin:0 0 4px}p{margin:4px 0}.bad{color:#b3261e;margin:6px 0}label{margin-right:14px}
main{overflow-x:auto}svg{display:block}
.grid{stroke:#edf0f3}.time{text-anchor:end;fill:#66727f}.lane{text-anchor:middle;font-weight:600;font-size:13px}
line.lane{stroke:#9aa6b2;stroke-width:1.5}line.lane.client{stroke:#7a9cc6;stroke-dasharray:5 3}
.sub{text-anchor:middle;fill:#66727f}rect.gap{fill:#f2f4f6}text.gap{fill:#66727f;font-style:italic}
.message line{stroke:#a9b3bd;stroke-width:1;marker-end:url(#head)}.message.client line{stroke:#3a6ea5}
.message.lost line{stroke:#c77700;stroke-dasharray:4 3;marker-end:none}.cross{stroke:#c77700;stroke-width:2;fill:none}
.message.under-way line{stroke-dasharray:2 3;marker-end:none}.open{fill:#fff;stroke:#a9b3bd}
.message.proof line{stroke:#b3261e;stroke-width:2}.message:hover line{stroke:#000;stroke-width:3}
.attempt rect{fill:#cfe0f2;stroke:#3a6ea5}.attempt.proof rect{fill:#f9c9c5;stroke:#b3261e;stroke-width:2}
.attempt.proof text{fill:#b3261e;font-weight:600;paint-order:stroke;stroke:#fff;stroke-width:3px}
.fault{fill:#e2a33b}rect.fault.on-lane{opacity:.35}text.fault{fill:#7a4d00;paint-order:stroke;stroke:#fff;stroke-width:3px}
.mark circle{fill:#66727f}.mark.process circle{fill:#7b3fa0}.mark.disk circle{fill:#2e8b57}.mark.disk rect{fill:#2e8b57;opacity:.6}.message.heartbeat line{opacity:.35}.mark.log circle{fill:#c4ccd4}
.mark.process text{fill:#7b3fa0;paint-order:stroke;stroke:#fff;stroke-width:3px}
.violation line{stroke:#b3261e;stroke-width:2}.violation text{fill:#b3261e;font-weight:600;paint-order:stroke;stroke:#fff;stroke-width:4px}`;
