/** Plans as files: a failing seed that was made smaller is kept as JSON. Nothing that was read is believed. */

import { z } from 'zod';
import { checkPlan } from './check-plan.ts';
import type { SeedPlan } from './seed-plan.ts';

/** What is no plan, with everything that is wrong with it. */
export class PlanError extends Error {
  override readonly name = 'PlanError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('; '));
    this.problems = problems;
  }
}

const count = z.number().int().min(0).max(1_000_000_000);
const signed = z.number().int().min(-1_000_000_000).max(1_000_000_000);
const percent = z.number().int().min(0).max(100);
const name = z.string().min(1).max(64);
const group = z.array(name).max(9);

const fault = z.object({ id: count, atMs: count });
const kind = <Kind extends string, Shape extends z.ZodRawShape>(kind: Kind, shape: Shape) =>
  fault.extend({ kind: z.literal(kind), ...shape }).strict();
const pair = { from: name, to: name };
const lasting = { node: name, forMs: count };

const faults = z.discriminatedUnion('kind', [
  kind('crash', { node: name, downMs: count, power: z.boolean(), midWrite: z.boolean().optional() }),
  kind('suspend', lasting),
  kind('restart', { node: name, downMs: count }),
  kind('partition', { from: group, to: group, direction: z.enum(['both', 'one-way']), forMs: count }),
  kind('cut', pair),
  kind('slow-link', { ...pair, extraMs: count, forMs: count }),
  kind('half-open', { ...pair, forMs: count }),
  kind('client-cut', { ...lasting, direction: z.enum(['requests', 'answers']) }),
  kind('slow-process', { ...lasting, lagMs: count }),
  kind('slow-disk', { ...lasting, factor: count.min(1) }),
  kind('disk-error', { node: name, applied: z.boolean(), downMs: count }),
  kind('read-error', { ...lasting, percent }),
  kind('disk-full', lasting),
  kind('bit-flip', { node: name, records: count }),
  kind('wipe', { node: name, downMs: count }),
  kind('restore', { node: name, ageMs: count, downMs: count, belowFileSystem: z.boolean().optional() }),
  kind('clock-jump', { node: name, byMs: signed }),
  kind('clock-stop', lasting),
]);

const profile = z.enum([
  'register',
  'session',
  'merger',
  'blind',
  'retrier',
  'deleter',
  'expirer',
  'batcher',
  'streamer',
  'reader',
  'mixed',
]);

const planProfile = z.enum([
  'mixed',
  'crash',
  'pause',
  'partition',
  'wiped-disk',
  'restored-disk',
  'skew',
  'slow-peers',
  'long-absence',
  'deletes',
  'quiet',
]);

const plan = z.strictObject({
  seed: z.number().int().min(0),
  nodes: z.array(name).max(9),
  partitions: count,
  network: z.strictObject({
    latencyMin: count,
    latencyMax: count,
    lossPercent: percent,
    retransmitMicros: count,
    spikePercent: percent,
    spikeMicros: count,
    resetPerTenThousand: z.number().int().min(0).max(10_000),
    sendBytesMax: z.number().int().min(1).optional(),
  }),
  disk: z.strictObject({
    writeMin: count,
    writeMax: count,
    syncMin: count,
    syncMax: count,
    stallPercent: percent,
    stallMicros: count,
  }),
  clocks: z.array(z.strictObject({ node: name, wallOffsetMicros: signed, driftPpm: signed })).max(9),
  clients: z
    .array(
      z.strictObject({
        name,
        seed: z.number().int().min(0),
        operations: count,
        profile,
        pauseMs: count,
        keys: z.array(z.strictObject({ bucket: name, key: name })).max(64),
        bufferedPercent: percent.optional(),
      }),
    )
    .max(64),
  faults: z.array(faults).max(1000),
  rarePaths: z.record(name, percent),
  profile: planProfile.optional(),
  repair: z.strictObject({ graceMs: count.min(1).optional(), comparisonMs: count.min(100) }).optional(),
  trial: z.enum(['crash', 'power', 'link']).optional(),
});

/** The plan in what was read from a file. Throws `PlanError` with all that is wrong. */
export function parsePlan(value: unknown): SeedPlan {
  const parsed = plan.safeParse(value);
  if (!parsed.success) {
    throw new PlanError(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`));
  }
  const problems = checkPlan(parsed.data);
  if (problems.length > 0) throw new PlanError(problems);
  return parsed.data;
}

/** As JSON files are formatted in this repository: what fits on a line is on one, so plans can be compared line by line. */
export function printPlan(value: unknown): string {
  return `${printJson(value, '', 0)}\n`;
}

const lineWidth = 110;

/** `used`: how much of its first line is taken already, the comma after it included. */
function printJson(value: unknown, indent: string, used: number): string {
  const flat = printFlat(value);
  if (typeof value !== 'object' || value === null || used + flat.length <= lineWidth) return flat;
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    const items = value.map((item) => inner + printJson(item, inner, inner.length + 1));
    return `[\n${items.join(',\n')}\n${indent}]`;
  }
  const lines = Object.entries(value).map(([name, item]) => {
    const start = `${inner}${JSON.stringify(name)}: `;
    return start + printJson(item, inner, start.length + 1);
  });
  return `{\n${lines.join(',\n')}\n${indent}}`;
}

function printFlat(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(printFlat).join(', ')}]`;
  const fields = Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${printFlat(item)}`);
  return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
}
