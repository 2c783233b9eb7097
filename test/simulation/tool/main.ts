/**
 * `npm run simulate`: the simulator from the command line. `--help` says how.
 *
 * Ends with exit code 0 when nothing failed, 1 when a promise was broken, 2 when the flags were wrong.
 */

import { brokenVersionOf } from '../broken/all-broken-versions.ts';
import { readArguments, usage } from './arguments.ts';
import { runCampaign } from './campaign.ts';
import { runSingle } from './single-run.ts';

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const command = readArguments(argv);
  switch (command.kind) {
    case 'help':
      console.log(usage);
      return 0;
    case 'wrong':
      console.error(`${command.problem}\n\`npm run simulate -- --help\` lists all flags.`);
      return 2;
    case 'campaign':
      return known(command.broken) ? runCampaign(command) : 2;
    case 'single':
      if (!known(command.broken)) return 2;
      try {
        return await runSingle(command);
      } catch (error) {
        console.error((error as Error).message);
        return 2;
      }
  }
}

function known(broken: string | undefined): boolean {
  if (broken === undefined) return true;
  try {
    brokenVersionOf(broken);
    return true;
  } catch (error) {
    console.error(`--broken: ${(error as Error).message}`);
    return false;
  }
}
