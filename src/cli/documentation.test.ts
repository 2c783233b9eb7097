import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { buildProgram } from './program.ts';
import { processTerminal } from './terminal.ts';

const page = readFileSync(new URL('../../docs/operating/command-line.md', import.meta.url), 'utf8');
const program = buildProgram({ terminal: processTerminal(), exit: () => {} }, '0');
/** All that people see: the command that completion scripts call is none of it. */
const commands = program
  .createHelp()
  .visibleCommands(program)
  .filter((command) => command.name() !== 'help');

test.each(commands.map((command) => [command.name(), command] as const))(
  'the page tells of %s',
  (name, command) => {
    expect(page).toMatch(new RegExp(`\`(kindred )?${name}[\` ]`));
    for (const option of optionsOf(command)) expect(page, `${name} ${option}`).toContain(option);
  },
);

test('the page tells of no option that is not there', () => {
  const known = new Set(commands.flatMap(optionsOf));
  const told = [...page.matchAll(/(?<![\w-])--[a-z][a-z0-9-]+/g)].map((match) => match[0]);
  expect(told.length).toBeGreaterThan(30);
  expect(told.filter((option) => !known.has(option) && option !== '--help')).toEqual([]);
});

function optionsOf(command: Command): string[] {
  return command.options.filter((option) => !option.hidden).map((option) => option.long as string);
}
