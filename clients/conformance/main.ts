/**
 * The conformance suite of the clients: each plays the same cases against a real cluster of three nodes.
 *
 *     npm run conformance                          every client whose toolchain is here, and grpcurl, buf curl and ghz
 *     npm run conformance -- --client go           one (repeat for more)
 *     npm run conformance -- --case siblings       the cases whose title contains the text
 *     npm run conformance -- --require-all         a client that is left out is a failure
 *     npm run conformance -- --write               the table in clients/README.md; all clients, all cases
 *     npm run conformance -- --write A.json ...    likewise, from what runs with --json have written, also on several machines
 *     npm run conformance -- --mutate all          bugs in the server, each of which the suite must find
 *     npm run conformance -- --list                the cases
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Group, loadGroups, titleOf } from './case-file.ts';
import { type Language, languages } from './languages.ts';
import { huntMutations } from './mutation-hunt.ts';
import { mutationOf, mutations } from './mutations.ts';
import {
  type CaseResult,
  type ClientResult,
  failuresOf,
  failureText,
  type LeftOut,
  markdownTable,
  terminalTable,
} from './report.ts';
import { meetStrangers } from './strangers.ts';
import { groupsWith, runClient } from './suite.ts';
import { TestBed } from './test-bed.ts';

const readme = join(import.meta.dirname, '..', 'README.md');

const { values: options, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    client: { type: 'string', multiple: true, default: [] },
    case: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    mutate: { type: 'string' },
    list: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    'require-all': { type: 'boolean', default: false },
  },
});

function say(text: string): void {
  (options.json ? process.stderr : process.stdout).write(text);
}

function chosenClients(): readonly Language[] {
  for (const name of options.client) {
    if (!languages.some((each) => each === name))
      throw new Error(`there is no client "${name}": ${languages.join(', ')}`);
  }
  return languages.filter((each) => options.client.length === 0 || options.client.includes(each));
}

function tell(client: Language, { status, title, ms }: CaseResult): void {
  if (status === 'passed' && !options.verbose) return;
  say(`${status.padEnd(10)} ${client} ${title} (${ms.toFixed(0)} ms)\n`);
}

async function conform(groups: readonly Group[]): Promise<boolean> {
  await using bed = await TestBed.start();
  const results: ClientResult[] = [];
  const leftOut: LeftOut[] = [];
  for (const client of chosenClients()) {
    const result = await runClient(client, bed, { groups, onCase: tell });
    if ('why' in result) leftOut.push(result);
    else results.push(result);
  }
  if (options.json) process.stdout.write(`${JSON.stringify({ clients: results, leftOut }, null, 2)}\n`);
  else if (results.length > 0) say(`${terminalTable(results, groups)}\n`);
  say(failureText(results, leftOut));
  const isWhole = options.client.length === 0 && options.case === '';
  const strangers = isWhole ? await meetStrangers(bed) : [];
  for (const { tool, status, problem } of strangers) say(`${tool}: ${[status, problem ?? ''].join(' ')}\n`);
  const failed =
    results.some((result) => failuresOf(result).length > 0) ||
    strangers.some(({ status }) => status === 'failed');
  const someLeftOut = leftOut.length > 0 || strangers.some(({ status }) => status === 'left out');
  if (options.write) writeTable(results, groups, failed);
  if (results.length === 0) say('no client was tried\n');
  return !failed && results.length > 0 && !(options['require-all'] && someLeftOut);
}

const begin = '<!-- conformance: made by npm run conformance -- --write -->';
const end = '<!-- end of conformance -->';

function writeTable(results: readonly ClientResult[], groups: readonly Group[], failed: boolean): void {
  if (failed || options.case !== '' || results.length < languages.length) {
    say('the table is written when all clients have passed all cases\n');
    process.exitCode = 1;
    return;
  }
  const text = readFileSync(readme, 'utf8');
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${readme} has no place for the table: ${begin} ... ${end}`);
  const before = text.slice(0, from + begin.length);
  writeFileSync(readme, `${before}\n\n${markdownTable(results, groups)}\n\n${text.slice(to)}`);
}

/** What earlier runs have found, one client each or several. */
function readResults(paths: readonly string[]): readonly ClientResult[] {
  const results = paths.flatMap(
    (path) => (JSON.parse(readFileSync(path, 'utf8')) as { clients: readonly ClientResult[] }).clients,
  );
  return languages.flatMap((language) => results.filter(({ client }) => client === language).slice(-1));
}

const groups = groupsWith(loadGroups(), options.case);
if (groups.length === 0) throw new Error(`no case has "${options.case}" in its title`);
if (options.list) {
  for (const { group, about, cases } of groups) {
    say(`${group}: ${about}\n${cases.map((each) => `  ${titleOf(each)}\n`).join('')}`);
  }
} else if (options.write && files.length > 0) {
  const results = readResults(files);
  say(`${terminalTable(results, groups)}\n${failureText(results, [])}`);
  writeTable(
    results,
    groups,
    results.some((result) => failuresOf(result).length > 0),
  );
} else if (options.mutate !== undefined) {
  const chosen = options.mutate === 'all' ? mutations : [mutationOf(options.mutate)];
  if (!(await huntMutations(chosen, loadGroups(), chosenClients(), say))) process.exitCode = 1;
} else if (!(await conform(groups))) process.exitCode = 1;
