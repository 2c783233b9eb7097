/** What a run found: the table of clients by groups of cases, the failures in full, and the same as JSON. */

import Table from 'cli-table3';
import type { Group } from './case-file.ts';
import type { Language } from './languages.ts';

export interface CaseResult {
  readonly group: string;
  readonly title: string;
  /** `known`: it failed, as it is known to. `unexpected`: it is known to fail, and passed. */
  readonly status: 'passed' | 'failed' | 'known' | 'unexpected';
  readonly problem: string | undefined;
  readonly ms: number;
}

export interface ClientResult {
  readonly client: Language;
  readonly version: string;
  readonly seconds: number;
  readonly cases: readonly CaseResult[];
}

/** A client that was not tried, and why. */
export interface LeftOut {
  readonly client: Language;
  readonly why: string;
}

export function failuresOf({ cases }: ClientResult): readonly CaseResult[] {
  return cases.filter(({ status }) => status === 'failed' || status === 'unexpected');
}

/** One row a client, one column a group: `12` of 12, or `11/12`. */
function rowsOf(results: readonly ClientResult[], groups: readonly Group[]): readonly (readonly string[])[] {
  return results.map(({ client, version, cases }) => [
    `${client} ${version}`,
    ...groups.map(({ group }) => {
      const own = cases.filter((each) => each.group === group);
      const passed = own.filter(({ status }) => status === 'passed').length;
      return passed === own.length ? String(own.length) : `${passed}/${own.length}`;
    }),
  ]);
}

/** For a terminal: one row a group, because there are more groups than clients. */
export function terminalTable(results: readonly ClientResult[], groups: readonly Group[]): string {
  const rows = rowsOf(results, groups);
  const table = new Table({
    head: ['cases passed', ...rows.map(([name = '']) => name)],
    style: { head: [], border: [] },
  });
  for (const [index, { group }] of groups.entries()) {
    table.push([group, ...rows.map((row) => row[index + 1] ?? '')]);
  }
  table.push(['seconds', ...results.map(({ seconds }) => seconds.toFixed(0))]);
  return table.toString();
}

/** For clients/README.md. */
export function markdownTable(results: readonly ClientResult[], groups: readonly Group[]): string {
  const rows = rowsOf(results, groups);
  const lines = groups.map(({ group, about }, index) => [
    `**${group}**: ${about}`,
    ...rows.map((row) => row[index + 1] ?? ''),
  ]);
  const head = ['cases passed', ...rows.map(([name = '']) => name)];
  const rule = ['---', ...results.map(() => '--:')];
  return [head, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Each failure with its problem, and who was left out and why. */
export function failureText(results: readonly ClientResult[], leftOut: readonly LeftOut[]): string {
  const failures = results.flatMap((result) =>
    failuresOf(result).map(({ title, problem, status }) =>
      status === 'unexpected'
        ? `UNEXPECTED ${result.client}, ${title}: passes, and known-failures.json says that it fails\n`
        : `FAILED ${result.client}, ${title}:\n  ${problem?.replaceAll('\n', '\n  ')}\n`,
    ),
  );
  const skipped = leftOut.map(({ client, why }) => `LEFT OUT ${client}: ${why}\n`);
  return [...failures, ...skipped].join('');
}
