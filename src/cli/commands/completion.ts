/** `kindred completion`: scripts that make the shell complete commands, options and their values. */

import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';

/** Adds the command to `program`, which must have all its other commands by then. */
export function addCompletionCommand(program: Command): void {
  tab(program, { completionCommandName: 'completion' });
}
