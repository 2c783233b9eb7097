/** That each mutation makes a case fail is the work of `npm run conformance -- --mutate all`. Here: they still fit. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { filesOf, patchedSource } from '../../test/simulation/broken/broken-version.ts';
import { root } from '../../tools/command.ts';
import { loadGroups } from './case-file.ts';
import { mutationOf, mutations } from './mutations.ts';

test.for(mutations.map((mutation) => [mutation.name, mutation] as const))(
  '%s changes the server, and names groups that there are',
  ([, mutation]) => {
    for (const file of filesOf(mutation)) {
      const source = readFileSync(join(root, file), 'utf8');
      expect(patchedSource(mutation, file, source)).not.toBe(source);
    }
    const names = loadGroups().map(({ group }) => group);
    expect(mutation.groups.length).toBeGreaterThan(0);
    for (const group of mutation.groups) expect(names).toContain(group);
  },
);

test('an unknown name lists those that there are', () => {
  expect(() => mutationOf('nobody')).toThrow('wrong-code');
});
