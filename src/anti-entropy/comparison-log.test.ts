import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { ControlledEngine } from '../../test/support/controlled-engine.ts';
import { nodeId } from '../core/identity.ts';
import { systemEnv } from '../env/system-env.ts';
import { ComparisonStore } from '../storage/comparison-store.ts';
import { GroupCommit } from '../storage/group-commit.ts';
import { type ComparisonLog, openComparisonLog } from './comparison-log.ts';

const graceMs = 1_600;
const [b, c] = [nodeId('b'), nodeId('c')];
const process = { replicaId: 7, generation: 1, openedAtMark: 50 };
const greeting = { ...process, formerReplicaId: 0, formerMark: 0 };

interface Opened {
  readonly log: ComparisonLog;
  readonly time: { ms: number; mark: number };
  readonly engine: ControlledEngine;
}

async function open(engine = new ControlledEngine(), ms = 1_000): Promise<Opened> {
  const time = { ms, mark: 900 };
  const commit = new GroupCommit({ engine, env: systemEnv() });
  const log = await openComparisonLog(
    {
      store: new ComparisonStore({ engine, crc32, commit }),
      runningMs: () => time.ms,
      storedMark: () => time.mark,
      onError: (error) => {
        throw error;
      },
    },
    { graceMs, others: [b, c] },
  );
  return { log, time, engine };
}

/** Ended well at 1,010 with b, and ripe. */
async function ripe(opened: Opened): Promise<void> {
  const { log, time } = opened;
  time.ms = 1_010;
  log.told(b, 3, { startedAtMs: 1_000, process, peerMark: 100 });
  time.ms = 1_810;
  await log.advance();
  time.ms = 2_610;
  await log.advance();
}

test('a comparison confirms at once, and a grace later what arrived before it is collectable, and then deletable', async () => {
  const opened = await open();
  const { log, time } = opened;
  expect(log.of(3, [b]).confirmedBeforeMs).toBeUndefined();
  await ripe(opened);
  expect(log.of(3, [b])).toMatchObject({ confirmedBeforeMs: 1_000, collectableBeforeMs: 1_000 });
  expect(log.of(3, [b]).deletableBeforeMs).toBeUndefined();
  time.ms = 2_810;
  expect(log.of(3, [b])).toMatchObject({ deletableBeforeMs: 1_000, collectedMark: 900 });
  // Of all homes, the one that was never compared with decides.
  expect(log.of(3, [b, c]).confirmedBeforeMs).toBeUndefined();
  expect(log.of(2, [b]).confirmedBeforeMs).toBeUndefined();
});

test('what is relied on is fenced, also after a restart', async () => {
  const opened = await open();
  const setBack = { ...greeting, generation: 2, openedAtMark: 99 };
  expect(opened.log.greeted(b, setBack)).toBeUndefined();
  await ripe(opened);
  for (const { log } of [opened, await open(opened.engine)]) {
    expect(log.greeted(b, setBack)).toContain('older than deletions');
    expect(log.greeted(b, greeting)).toBeUndefined();
    expect(log.greeted(b, { ...greeting, generation: 2, openedAtMark: 100 })).toBeUndefined();
    expect(log.greeted(b, { ...greeting, replicaId: 9, openedAtMark: 0 })).toBeUndefined();
    expect(log.of(3, [b]).collectableBeforeMs).toBe(1_000);
    expect(log.latestMs).toBeGreaterThanOrEqual(2_610);
  }
});

test('a peer that comes back with another store makes what has not ripened untrue', async () => {
  const { log, time } = await open();
  log.told(b, 3, { startedAtMs: 1_000, process, peerMark: 100 });
  expect(log.greeted(b, { ...greeting, generation: 2, openedAtMark: 99 })).toBeUndefined();
  expect(log.of(3, [b]).confirmedBeforeMs).toBeUndefined();
  for (time.ms = 1_000; time.ms < 5_000; time.ms += 100) await log.advance();
  expect(log.of(3, [b]).collectableBeforeMs).toBeUndefined();
});

test('a store that is no home may keep what nobody has seen; one that nobody has any more may not', async () => {
  const { log } = await open();
  expect(log.mayBeElsewhere(8, [b])).toBe(true);
  log.greeted(b, greeting);
  log.greeted(c, { ...greeting, replicaId: 8 });
  expect([7, 8, 9].map((id) => log.mayBeElsewhere(id, [b]))).toEqual([false, true, false]);
});
