/** The flags of `npm run simulate`, read and checked before anything runs. */

import { parseArgs } from 'node:util';
import type { TraceKind } from '../kernel/trace.ts';
import { planProfiles } from '../plan/draw-profile.ts';
import type { PlanProfile } from '../plan/seed-plan.ts';
import type { TraceFilter } from './trace-filter.ts';

/** What to do. */
export type Command =
  | { readonly kind: 'help' }
  | ({ readonly kind: 'campaign' } & Campaign)
  | ({ readonly kind: 'single' } & Single)
  /** Not understood: what to change, in a sentence. */
  | { readonly kind: 'wrong'; readonly problem: string };

/** Many seeds, in several processes. */
export interface Campaign {
  /** `undefined`: a random one is drawn, and printed. */
  readonly first: number | undefined;
  readonly seeds: number;
  readonly jobs: number;
  readonly broken: string | undefined;
  /** What all seeds are to be about; `undefined`: what each draws. */
  readonly profile: PlanProfile | undefined;
  readonly output: 'text' | 'json' | 'hashes';
  /** No more seeds are begun after so many have failed. */
  readonly failuresMax: number;
}

/** One plan, in this process. */
export interface Single {
  readonly source:
    | { readonly kind: 'seed'; readonly seed: number }
    | { readonly kind: 'file'; readonly path: string };
  readonly broken: string | undefined;
  /** What the seed is to be about; `undefined`: what it draws. */
  readonly profile: PlanProfile | undefined;
  readonly output: 'text' | 'json' | 'hashes';
  /** `undefined`: no trace is printed. */
  readonly trace: TraceFilter | undefined;
  /** For the chart; where the trace has its own, the same. */
  readonly filter: TraceFilter;
  /** File to write. */
  readonly chart: string | undefined;
  /** File to write the smaller plan to. */
  readonly shrinkTo: string | undefined;
  readonly keep: { readonly name: string; readonly bug: string } | undefined;
}

export const usage = `npm run simulate -- [flags]

Many seeds
  --seeds 100          how many (default: 100)
  --first 1            the first of them (default: drawn at random, and printed)
  --jobs 2             processes that run at a time (default: 2)
  --failures 20        begin no more seeds after so many have failed (default: 20)

One run
  --seed 42            this seed
  --plan file.json     a plan from a file: a shrunk one, or a regression
  --trace              print what happened, line by line; with any of
    --only client,fault    kinds: fault, process, client, frame, stream, disk, log, check
    --key default/k1       one key (and what concerns no key, with --only)
    --node n2              one node or client, as either end
    --from-ms, --to-ms     a window of virtual time, for the trace and the chart
  --chart out.html     draw a sequence chart of the time around the violation, or of --from-ms to --to-ms
  --shrink             leave out faults, clients and operations while it still fails, and write the plan to
    --out file.json        (default: kindred-seed-N.json)
  --keep name --bug "what was wrong"
                       save the failing plan, shrunk with --shrink, as a regression that the tests run

Both
  --broken name        with a known bug put in: a wrong name lists them all
  --profile deletes    as if the seeds were about that: a wrong name lists what there is
  --hashes             print "seed hash" lines only, to compare machines and versions of Node
  --json               one JSON object a line instead of text
  --help

Exit codes: 0 nothing failed, 1 a promise was broken, 2 the flags were wrong, 130 ended by Ctrl-C.
`;

const kinds: readonly TraceKind[] = ['fault', 'process', 'client', 'frame', 'stream', 'disk', 'log', 'check'];

const flags = {
  seeds: { type: 'string' },
  first: { type: 'string' },
  jobs: { type: 'string' },
  failures: { type: 'string' },
  seed: { type: 'string' },
  plan: { type: 'string' },
  trace: { type: 'boolean' },
  only: { type: 'string' },
  key: { type: 'string' },
  node: { type: 'string' },
  'from-ms': { type: 'string' },
  'to-ms': { type: 'string' },
  chart: { type: 'string' },
  shrink: { type: 'boolean' },
  out: { type: 'string' },
  keep: { type: 'string' },
  bug: { type: 'string' },
  broken: { type: 'string' },
  profile: { type: 'string' },
  hashes: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Values = ReturnType<typeof parseValues>;

const forOneRun = ['trace', 'only', 'key', 'node', 'from-ms', 'to-ms', 'chart', 'shrink', 'out'] as const;
const forMany = ['seeds', 'first', 'jobs', 'failures'] as const;

/** Thrown inside only. */
class WrongFlag extends Error {}

/** Reads the flags. What contradicts itself is refused: a flag that would do nothing was meant to do something. */
export function readArguments(argv: readonly string[]): Command {
  try {
    const values = parseValues(argv);
    if (values.help === true) return { kind: 'help' };
    if (values.seed === undefined && values.plan === undefined)
      return { kind: 'campaign', ...campaign(values) };
    return { kind: 'single', ...single(values) };
  } catch (error) {
    if (error instanceof WrongFlag) return { kind: 'wrong', problem: error.message };
    const code = (error as { readonly code?: string }).code ?? '';
    if (code.startsWith('ERR_PARSE_ARGS')) return { kind: 'wrong', problem: (error as Error).message };
    throw error;
  }
}

function parseValues(argv: readonly string[]) {
  // A negative number looks like a flag; what is wrong with it is said where it is read.
  const args: string[] = [];
  for (const word of argv) {
    const last = args.at(-1) ?? '';
    if (/^-\d/.test(word) && /^--[a-z-]+$/.test(last)) args[args.length - 1] = `${last}=${word}`;
    else args.push(word);
  }
  const { values, tokens } = parseArgs({ args, options: flags, allowPositionals: false, tokens: true });
  const names = tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new WrongFlag(`--${twice} is given twice: leave one of them out`);
  return values;
}

function campaign(values: Values): Campaign {
  for (const flag of [...forOneRun, 'keep', 'bug'] as const) {
    if (values[flag] !== undefined)
      throw new WrongFlag(`--${flag} is about one run: add --seed NUMBER or --plan FILE`);
  }
  return {
    first: whole(values, 'first', undefined),
    seeds: whole(values, 'seeds', 100),
    jobs: whole(values, 'jobs', 2),
    broken: values.broken,
    profile: profile(values),
    output: output(values),
    failuresMax: whole(values, 'failures', 20),
  };
}

function single(values: Values): Single {
  if (values.seed !== undefined && values.plan !== undefined)
    throw new WrongFlag('--seed and --plan: give one of them, for a plan holds its seed');
  for (const flag of forMany) {
    if (values[flag] !== undefined)
      throw new WrongFlag(`--${flag} is about many seeds: leave it out, or leave --seed and --plan out`);
  }
  if (values.plan !== undefined && values.profile !== undefined)
    throw new WrongFlag('--profile is about seeds, and a plan is drawn already: leave it out');
  const filter = traceFilter(values);
  const filtered = (['only', 'key', 'node'] as const).find((flag) => values[flag] !== undefined);
  if (filtered !== undefined && values.trace !== true)
    throw new WrongFlag(`--${filtered} filters the trace: add --trace`);
  if (values.trace !== true && values.chart === undefined && (filter.fromMs ?? filter.toMs) !== undefined)
    throw new WrongFlag(
      '--from-ms and --to-ms are about the trace and the chart: add --trace or --chart FILE',
    );
  if (values.out !== undefined && values.shrink !== true)
    throw new WrongFlag('--out names the file of the smaller plan: add --shrink');
  if ((values.keep === undefined) !== (values.bug === undefined))
    throw new WrongFlag('--keep NAME and --bug "what was wrong" belong together');
  if (values.keep !== undefined && !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(values.keep))
    throw new WrongFlag(`--keep: a name like late-write-taken-for-lost; found ${values.keep}`);
  if (values.bug?.trim() === '')
    throw new WrongFlag('--bug: say in a sentence what was wrong; found nothing');
  if (values.keep !== undefined && values.broken !== undefined)
    throw new WrongFlag('--keep keeps plans that the store as it is fails: leave --broken out');
  for (const flag of ['plan', 'chart', 'out'] as const)
    if (values[flag] === '') throw new WrongFlag(`--${flag}: the name of a file; found nothing`);
  const mode = output(values);
  if (mode !== 'text' && (values.trace ?? values.shrink) !== undefined)
    throw new WrongFlag(`--${mode} prints no text: leave --trace and --shrink out`);
  const source =
    values.plan !== undefined
      ? ({ kind: 'file', path: values.plan } as const)
      : ({ kind: 'seed', seed: whole(values, 'seed', 0) } as const);
  const name = source.kind === 'seed' ? `seed-${source.seed}` : 'plan';
  return {
    source,
    broken: values.broken,
    profile: profile(values),
    output: mode,
    trace: values.trace === true ? filter : undefined,
    filter,
    chart: values.chart,
    shrinkTo: values.shrink === true ? (values.out ?? `kindred-${name}.json`) : undefined,
    keep:
      values.keep === undefined || values.bug === undefined
        ? undefined
        : { name: values.keep, bug: values.bug },
  };
}

function profile({ profile: name }: Values): PlanProfile | undefined {
  if (name === undefined) return undefined;
  const found = planProfiles.find((one) => one === name);
  if (found === undefined) throw new WrongFlag(`--profile: one of ${planProfiles.join(', ')}; found ${name}`);
  return found;
}

function output(values: Values): 'text' | 'json' | 'hashes' {
  if (values.json === true && values.hashes === true)
    throw new WrongFlag('--json and --hashes: give one of them');
  if (values.json === true) return 'json';
  return values.hashes === true ? 'hashes' : 'text';
}

function traceFilter(values: Values): TraceFilter {
  const only = values.only
    ?.split(',')
    .map((kind) => kind.trim())
    .filter((kind) => kind !== '');
  if (only?.length === 0) throw new WrongFlag(`--only: one or more of ${kinds.join(', ')}; found nothing`);
  const unknown = only?.filter((kind) => !kinds.includes(kind as TraceKind)) ?? [];
  if (unknown.length > 0) throw new WrongFlag(`--only: ${unknown.join(', ')} is none of ${kinds.join(', ')}`);
  if (values.key !== undefined && !values.key.includes('/'))
    throw new WrongFlag(`--key: a bucket and a key, like default/k1; found ${values.key}`);
  const fromMs = whole(values, 'from-ms', undefined, 0);
  const toMs = whole(values, 'to-ms', undefined, 0);
  if (fromMs !== undefined && toMs !== undefined && toMs <= fromMs)
    throw new WrongFlag(`--to-ms has to be after --from-ms; found ${fromMs} to ${toMs}`);
  return {
    ...(only !== undefined && { only: only as TraceKind[] }),
    ...(values.key !== undefined && { key: values.key }),
    ...(values.node !== undefined && { node: values.node }),
    ...(fromMs !== undefined && { fromMs }),
    ...(toMs !== undefined && { toMs }),
  };
}

function whole<Default extends number | undefined>(
  values: Values,
  flag: 'seeds' | 'first' | 'jobs' | 'failures' | 'seed' | 'from-ms' | 'to-ms',
  otherwise: Default,
  least = 1,
): number | Default {
  const text = values[flag];
  if (text === undefined) return otherwise;
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= least) || (flag === 'jobs' && number > 64))
    throw new WrongFlag(
      `--${flag}: a whole number from ${least}${flag === 'jobs' ? ' to 64' : ''}; found ${text}`,
    );
  return number;
}
