import { expect, test } from 'vitest';
import { nodeId } from '../identity.ts';
import { type Layout, type LayoutMember, layoutProblems, memberCountMax } from './layout.ts';

const member = (id: string, more: Partial<LayoutMember> = {}): LayoutMember => ({
  id: nodeId(id),
  zone: id,
  weight: 1,
  ...more,
});
const good: Layout = {
  version: 1,
  members: [member('a'), member('b'), member('c')],
  replication: 3,
  partitions: 4_096,
};

test('a good layout has no problems, up to every limit', () => {
  expect(layoutProblems(good)).toEqual([]);
  const members = Array.from({ length: memberCountMax }, (_, i) =>
    member(`n${i}`, { weight: i % 2 ? 0.1 : 10 }),
  );
  expect(layoutProblems({ ...good, members, replication: memberCountMax, partitions: 65_536 })).toEqual([]);
  expect(layoutProblems({ ...good, members: [member('a')], replication: 1, partitions: 1 })).toEqual([]);
});

test.each<[string, Partial<Layout>, string, readonly string[]]>([
  ['version', { version: 0 }, 'version', ['0', 'from 1']],
  ['partitions', { partitions: 1_000 }, 'partitions', ['1000', 'power of two']],
  ['too many partitions', { partitions: 131_072 }, 'partitions', ['131072', '65536']],
  [
    'replication above members',
    { replication: 4 },
    'replication',
    ['replication is 4', 'members has only 3'],
  ],
  ['replication of none', { replication: 0 }, 'replication', ['0']],
  ['same id twice', { members: [...good.members, member('b')] }, 'members[3].id', ['"b"', 'members[1].id']],
  ['bad id', { members: [...good.members, member('B!')] }, 'members[3].id', ['"B!"', 'a-z']],
  [
    'light',
    { members: [...good.members, member('d', { weight: 0.09 })] },
    'members[3].weight',
    ['0.09', '0.1 to 10'],
  ],
  [
    'heavy',
    { members: [...good.members, member('d', { weight: 10.1 })] },
    'members[3].weight',
    ['10.1', '0.1 to 10'],
  ],
  [
    'no weight',
    { members: [...good.members, member('d', { weight: Number.NaN })] },
    'members[3].weight',
    ['NaN'],
  ],
  ['no zone', { members: [...good.members, member('d', { zone: '' })] }, 'members[3].zone', ['0 characters']],
])('%s is one problem that names both sides', (_, change, field, parts) => {
  const problems = layoutProblems({ ...good, ...change });
  expect(problems.map((problem) => problem.field)).toEqual([field]);
  for (const part of parts) expect(problems[0]?.text).toContain(part);
});

test('too many members, and none, are refused', () => {
  const members = Array.from({ length: memberCountMax + 1 }, (_, i) => member(`n${i}`));
  expect(layoutProblems({ ...good, members }).map(({ field }) => field)).toEqual(['members']);
  expect(layoutProblems({ ...good, members: [] }).map(({ field }) => field)).toEqual([
    'members',
    'replication',
  ]);
});
