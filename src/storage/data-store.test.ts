import { expect, test } from 'vitest';
import { ControlledEngine } from '../../test/support/controlled-engine.ts';
import { nodeId, partitionId } from '../core/identity.ts';
import { systemEnv } from '../env/system-env.ts';
import { type DataStore, openDataStore } from './data-store.ts';
import { EngineError, type EngineOperation } from './engine.ts';

/** Tells what reached stable storage, and lets a test in between the steps of closing. */
class WatchedEngine extends ControlledEngine {
  /** Written and not fsynced: what a power failure takes. */
  unsynced = 0;
  readonly steps: string[] = [];
  afterStep: () => void = () => {};

  override async write(
    operations: readonly EngineOperation[],
    options: { readonly sync: boolean },
  ): Promise<void> {
    this.steps.push('write');
    this.afterStep();
    await super.write(operations, options);
    this.unsynced = options.sync ? 0 : this.unsynced + operations.length;
  }

  override async flush(): Promise<void> {
    this.steps.push('flush');
    const unsynced = this.unsynced;
    this.afterStep();
    await super.flush();
    // Of what came while it flushed nothing is known.
    this.unsynced -= unsynced;
  }

  override close(): Promise<void> {
    this.steps.push('close');
    this.afterStep();
    // Not really: a test looks at what it holds.
    return Promise.resolve();
  }
}

const recordKey = Buffer.from('default\0k');
const buffered = { sync: false };

function open(engine: WatchedEngine): Promise<DataStore> {
  return openDataStore(
    { env: systemEnv(), openEngine: async () => engine, onCommit: () => {} },
    {
      kind: 'memory',
      path: '/data/n1',
      integrityCheck: 'full',
      clusterId: 'blue',
      nodeId: nodeId('n1'),
      partitionCount: 64,
      hintBytesMax: 1_000,
    },
  );
}

test('store.close vs late merges: what is acknowledged is stored, and on the disk before the store says that it ended clean', async () => {
  const steps = ['write', 'flush', 'write', 'close'];
  for (let moment = 1; moment <= steps.length; moment++) {
    const engine = new WatchedEngine();
    const store = await open(engine);
    const failures: EngineError[] = [];
    store.onFailure((error) => failures.push(error));
    const queued = store.records.write(partitionId(1), recordKey, Buffer.from('queued'), buffered);
    const late: Promise<string>[] = [];
    engine.afterStep = () => {
      if (engine.steps.length !== moment) return;
      const write = store.records.write(partitionId(2), recordKey, Buffer.from('late'), buffered);
      late.push(
        write.then(
          () => 'acknowledged',
          (error: EngineError) => error.code,
        ),
      );
    };
    engine.steps.length = 0;
    await store.close();
    await queued;
    expect(store.records.read(partitionId(1), recordKey).kind).toBe('found');
    expect([moment, ...(await Promise.all(late))]).toEqual([moment, 'closed']);
    expect(engine.unsynced).toBe(0);
    expect(engine.steps).toEqual(steps);
    expect(store.records.read(partitionId(2), recordKey).kind).toBe('absent');
    // Nothing has failed: nobody has to be woken for it.
    expect(failures).toEqual([]);
  }
});

test('a store whose disk has failed does not say that it ended clean', async () => {
  const engine = new WatchedEngine();
  const store = await open(engine);
  const write = store.records.write(partitionId(1), recordKey, Buffer.from('x'), buffered);
  engine.failure = new EngineError('io-error', 'the disk is broken');
  engine.steps.length = 0;
  await Promise.all([store.close(), expect(write).rejects.toMatchObject({ code: 'io-error' })]);
  expect(engine.steps).toEqual(['write', 'close']);
  expect(store.failure?.code).toBe('io-error');
});

test('a store that was stopped for good is closed only after it has noted why', async () => {
  const engine = new WatchedEngine();
  const store = await open(engine);
  engine.hold();
  const retired = store.identity.retire(new EngineError('set-back', 'it is'));
  engine.steps.length = 0;
  const closed = store.close();
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  expect(engine.steps).toEqual([]);
  engine.release();
  await Promise.all([retired, closed]);
  expect(engine.steps).toEqual(['close']);
  expect((await open(engine)).identity.formerReplicaId).toBe(store.identity.replicaId);
});
