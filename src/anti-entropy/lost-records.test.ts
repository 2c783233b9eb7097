import { expect, test } from 'vitest';
import { partitionId } from '../core/identity.ts';
import { LostRecords } from './lost-records.ts';

const place = { recordKey: Buffer.from('default\0k'), partition: partitionId(3) };
const graceMs = 1_000;

function setUp() {
  const state = { nowMs: 0, mark: 70, isDamaged: true, log: [] as string[] };
  const records = new LostRecords(
    {
      isDamaged: () => state.isDamaged,
      remove: () => {
        state.log.push('remove');
        return state.isDamaged;
      },
      index: {
        raiseCollectedMark: async (partition, mark) => {
          state.log.push(`raise ${partition} to ${mark}`);
        },
      },
      storedMark: () => state.mark,
      runningMs: () => state.nowMs,
      onGivenUp: () => state.log.push('given up'),
    },
    graceMs,
  );
  return { records, state };
}

test('a record is given up when it is found lost again half a grace later; hints since the first time are not refused', async () => {
  const { records, state } = setUp();
  await records.lost(place);
  Object.assign(state, { nowMs: 499, mark: 90 });
  await records.lost(place);
  expect(state.log).toEqual([]);
  state.nowMs = 500;
  await records.lost(place);
  expect(state.log).toEqual(['raise 3 to 70', 'remove', 'given up']);
});

test('one that was repaired or written meanwhile begins anew, and nothing is refused for it', async () => {
  const { records, state } = setUp();
  await records.lost(place);
  state.isDamaged = false;
  state.nowMs = 600;
  await records.lost(place);
  state.isDamaged = true;
  state.nowMs = 700;
  await records.lost(place);
  state.nowMs = 1_100;
  await records.lost(place);
  expect(state.log).toEqual([]);
  state.nowMs = 1_200;
  await records.lost(place);
  expect(state.log).toHaveLength(3);
});
