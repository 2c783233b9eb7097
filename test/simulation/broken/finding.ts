/** What the hunt for a broken version came to, and the table of all of them. */

import type { BrokenVersion } from './broken-version.ts';
import type { Sighting } from './hunt.ts';

/** What became of the hunt for one version. */
export interface Finding {
  readonly version: BrokenVersion;
  readonly seeds: number;
  readonly sighting: Sighting | undefined;
  /** Seeds before it at which the store as it is fails too; they say nothing. */
  readonly spoiled: readonly number[];
}

const begin = '<!-- broken-versions:begin -->';
const end = '<!-- broken-versions:end -->';

/** The rows in the order of the versions. */
export function tableOf(findings: readonly Finding[]): string {
  const rows = findings.map(({ version, seeds, sighting }) => {
    const needed = sighting === undefined ? `not within ${seeds}` : String(sighting.seed);
    const checkers = sighting?.checkers.join(', ') ?? '';
    return `| \`${version.name}\` | ${version.bug} | ${version.repeats} | ${needed} | ${checkers} |`;
  });
  return [
    '| Broken version | What it does wrong | Shipped before as | Seeds needed | Seen by |',
    '|---|---|---|---:|---|',
    ...rows,
  ].join('\n');
}

/** The document with `table` between its marks. Throws when they are missing. */
export function withTable(document: string, table: string): string {
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the document has no place between ${begin} and ${end}`);
  return `${document.slice(0, from + begin.length)}\n${table}\n${document.slice(to)}`;
}
