/** The command line of Kindred: which commands there are, and how a run ends. */

import { Command, CommanderError } from 'commander';
import { addBenchCommand } from './commands/bench.ts';
import { addBucketsCommand } from './commands/buckets.ts';
import { addCompletionCommand } from './commands/completion.ts';
import { addDevCommand } from './commands/dev.ts';
import { addDivergenceCommand } from './commands/divergence.ts';
import { addReadCommands } from './commands/read.ts';
import { addRepairCommand } from './commands/repair.ts';
import { addResolveCommand } from './commands/resolve.ts';
import { addServerCommand } from './commands/server.ts';
import { addStatusCommand } from './commands/status.ts';
import { addWriteCommands } from './commands/write.ts';
import { CLIENT_EXIT, EXIT_CODE_HELP } from './exit-code.ts';
import type { CommandContext } from './run-command.ts';
import type { Terminal } from './terminal.ts';

/** Runs `kindred` with these arguments (without the program's own name). Returns the exit code; prints to `terminal` only. */
export async function runKindred(
  args: readonly string[],
  terminal: Terminal,
  options: { readonly version: string },
): Promise<number> {
  let exitCode: number = CLIENT_EXIT.ok;
  const program = buildProgram(
    {
      terminal,
      exit: (code) => {
        if (exitCode === CLIENT_EXIT.ok) exitCode = code;
      },
    },
    options.version,
  );
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version end so as well, with 0. Anything else that commander refuses is wrong usage.
    if (error.exitCode === 0) return CLIENT_EXIT.ok;
    if (asksForJson(args)) {
      const message = error.message.replace(/^error: /, '');
      terminal.out(`${JSON.stringify({ error: { message, code: 'USAGE', outcome: 'not-applied' } })}\n`);
    }
    return CLIENT_EXIT.usage;
  }
}

/** Whether the answer was to be JSON, as far as a command line that does not parse can tell. For `dev` it is the log. */
function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args[0] !== 'dev' && args.slice(0, end < 0 ? args.length : end).includes('--json');
}

/** All commands, without running one: for tests of the documentation. */
export function buildProgram(context: CommandContext, version: string): Command {
  const { terminal } = context;
  const program = new Command('kindred')
    .description(
      'Kindred: a Dynamo-style key-value store for gRPC.\n' +
        'Start a cluster with "kindred dev", then "kindred put KEY VALUE" and "kindred get KEY".',
    )
    .version(version, '-V, --version')
    .showHelpAfterError('(--help tells more)')
    .addHelpText('after', EXIT_CODE_HELP)
    .configureOutput({ writeOut: (text) => terminal.out(text), writeErr: (text) => terminal.err(text) })
    .exitOverride();
  addServerCommand(program, context);
  addDevCommand(program, context);
  addReadCommands(program, context);
  addStatusCommand(program, context);
  addBucketsCommand(program, context);
  addWriteCommands(program, context);
  addResolveCommand(program, context);
  addRepairCommand(program, context);
  addDivergenceCommand(program, context);
  addBenchCommand(program, context);
  addCompletionCommand(program);
  return program;
}
