/** Plays the suite against servers with a bug in them: each must make a case fail. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Group } from './case-file.ts';
import type { Language } from './languages.ts';
import type { Mutation } from './mutations.ts';
import { failuresOf } from './report.ts';
import { runClient } from './suite.ts';
import { TestBed } from './test-bed.ts';

/** With the first client that can be tried here. True when every mutation was found. */
export async function huntMutations(
  chosen: readonly Mutation[],
  groups: readonly Group[],
  clients: readonly Language[],
  say: (line: string) => void,
): Promise<boolean> {
  let found = 0;
  for (const mutation of chosen) {
    const failures = await hunt(mutation, groups, clients);
    if (failures === undefined) {
      say('no client can be tried here\n');
      return false;
    }
    if (failures.length > 0) found++;
    say(`${failures.length > 0 ? 'found' : 'MISSED'} ${mutation.name}: ${mutation.bug}\n`);
    for (const { title, problem } of failures.slice(0, 1)) say(`  ${title}: ${problem?.split('\n')[0]}\n`);
    if (failures.length > 1) say(`  and ${failures.length - 1} more\n`);
  }
  say(`${found} of ${chosen.length} mutations make the suite fail\n`);
  return found === chosen.length;
}

async function hunt(
  mutation: Mutation,
  groups: readonly Group[],
  clients: readonly Language[],
): Promise<ReturnType<typeof failuresOf> | undefined> {
  const module = pathToFileURL(join(import.meta.dirname, 'mutate.ts'));
  module.searchParams.set('name', mutation.name);
  await using bed = await TestBed.start(['--import', module.href]);
  const own = groups.filter(({ group }) => mutation.groups.includes(group));
  for (const client of clients) {
    const result = await runClient(client, bed, { groups: own, onCase: () => undefined });
    if (!('why' in result)) return failuresOf(result);
  }
  return undefined;
}
