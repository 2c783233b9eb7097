#!/usr/bin/env node

/** `kindred`: hands the command line to `src/cli` and ends with its exit code. */

import { runKindred } from './cli/program.ts';
import { processTerminal } from './cli/terminal.ts';
import { softwareVersion } from './config/software-version.ts';

// A reader that went away (kindred get KEY | head) is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const exitCode = await runKindred(process.argv.slice(2), processTerminal(), { version: softwareVersion });
// Native handles may still be open after a failed start; what was written is flushed first.
process.stdout.write('', () => process.exit(exitCode));
