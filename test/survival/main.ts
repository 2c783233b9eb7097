/**
 * `npm run survive -- NAME`: a cluster of real processes has to survive something, and what was promised is measured. Exit code
 * 0: every promise was kept; 1: one was broken, or a campaign failed; 2: the command line is wrong.
 */

import { availableParallelism, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { removeDeadRuns } from '../chaos/run-directory.ts';
import { antiEntropy, hints } from './absence.ts';
import { busy } from './busy.ts';
import { type Campaign, figureTable } from './campaign.ts';
import { crash } from './crash.ts';
import { oneKey } from './one-key.ts';
import { partition } from './partition.ts';
import { stopped } from './stopped.ts';
import { underLoad } from './under-load.ts';

const campaigns: readonly Campaign[] = [
  crash,
  stopped,
  hints,
  antiEntropy,
  partition,
  oneKey,
  underLoad,
  busy,
];

const help = `npm run survive -- [NAME...] [options]     one campaign, several, or all of them

${campaigns.map(({ name, describes }) => `  ${name.padEnd(14)} ${describes}`).join('\n')}

  --seconds S    how long the fault lasts (--minutes M likewise)
  --keys N       how many keys
  --rounds N     how often
  --nodes N      3 to 9 (5)
  --engine KIND  lsm or btree (lsm)
  --seed N       of what is drawn (1)
`;

const code = await main();
// Connections of gRPC to nodes that are gone may keep trying for a long time: it is over, whatever they think.
process.stdout.write('', () => process.exit(code));

async function main(): Promise<number> {
  let chosen: ReturnType<typeof choose>;
  try {
    chosen = choose(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${help}`);
    return 2;
  }
  if (chosen === undefined) {
    process.stdout.write(help);
    return 0;
  }
  // Of campaigns that were killed.
  await removeDeadRuns();
  let broken = 0;
  for (const campaign of chosen.campaigns) {
    const startedMs = performance.now();
    const say = (line: string): void => {
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1).padStart(7);
      process.stdout.write(`${campaign.name} ${seconds} s  ${line}\n`);
    };
    say(campaign.describes);
    try {
      const figures = await campaign.run({ ...campaign.defaults, ...chosen.sizes, ...chosen.common, say });
      process.stdout.write(`\n${figureTable(campaign.name, figures)}\n`);
      if (!figures.every(({ kept }) => kept)) broken++;
    } catch (error) {
      broken++;
      say(`FAILED: ${error instanceof Error ? error.stack : error}`);
    }
    process.stdout.write(
      `load average of the last minute: ${loadavg()[0]?.toFixed(1)} on ${availableParallelism()} cores\n\n`,
    );
  }
  return broken === 0 ? 0 : 1;
}

/** What the command line asks for; `undefined`: help. Throws when it makes no sense. */
function choose(args: readonly string[]) {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seconds: { type: 'string' },
      minutes: { type: 'string' },
      keys: { type: 'string' },
      rounds: { type: 'string' },
      nodes: { type: 'string', default: '5' },
      engine: { type: 'string', default: 'lsm' },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  if (values.engine !== 'lsm' && values.engine !== 'btree') throw new Error('--engine: lsm or btree');
  const named = positionals.map((name) => {
    const campaign = campaigns.find((known) => known.name === name);
    if (campaign === undefined)
      throw new Error(`${name}: there is ${campaigns.map((known) => known.name).join(', ')}`);
    return campaign;
  });
  const seconds =
    values.minutes === undefined
      ? number('seconds', values.seconds)
      : 60 * (number('minutes', values.minutes) ?? 0);
  const keys = number('keys', values.keys);
  const rounds = number('rounds', values.rounds);
  return {
    campaigns: named.length === 0 ? campaigns : named,
    sizes: {
      ...(seconds !== undefined && { seconds }),
      ...(keys !== undefined && { keys }),
      ...(rounds !== undefined && { rounds }),
    },
    common: {
      nodes: number('nodes', values.nodes) ?? 5,
      engine: values.engine,
      seed: number('seed', values.seed) ?? 1,
    } as const,
  };
}

function number(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0)
    throw new Error(`--${flag} ${text}: a number above 0`);
  return value;
}
