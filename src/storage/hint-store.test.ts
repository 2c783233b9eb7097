import { crc32 } from 'node:zlib';
import { beforeEach, expect, test } from 'vitest';
import { nodeId } from '../core/identity.ts';
import { systemEnv } from '../env/system-env.ts';
import type { StorageEngine } from './engine.ts';
import { type HintStore, openHintStore } from './hint-store.ts';
import { openMemoryEngine } from './memory.ts';

const env = systemEnv();
const n2 = nodeId('n2');
const n3 = nodeId('n3');

let engine: StorageEngine;
let hints: HintStore;
beforeEach(async () => {
  engine = openMemoryEngine();
  hints = await open();
});

function open(bytesMax = 1_000_000): Promise<HintStore> {
  return openHintStore({ engine, crc32, env }, { bytesMax });
}

test('a hint is kept per target and key, and a later one replaces it', async () => {
  await hints.add(n2, bytes('k'), bytes('old'));
  await hints.add(n2, bytes('k'), bytes('new'));
  await hints.add(n3, bytes('k'), bytes('for n3'));
  expect(text(hints.get(n2, bytes('k')))).toBe('new');
  expect(text(hints.get(n3, bytes('k')))).toBe('for n3');
  expect(hints.get(n2, bytes('other'))).toBeUndefined();
});

test('counts and bytes per target are those of the stored entries, also after opening again', async () => {
  await hints.add(n2, bytes('a'), bytes('1234'));
  await hints.add(n2, bytes('b'), bytes('12'));
  await hints.add(n3, bytes('a'), bytes(''));
  await hints.add(n2, bytes('a'), bytes('12'));
  // Per entry: prefix, length, node id, key, record, checksum.
  const expected = new Map([
    [n2, { count: 2, bytes: 2 * (1 + 1 + 2 + 1 + 2 + 4) }],
    [n3, { count: 1, bytes: 1 + 1 + 2 + 1 + 0 + 4 }],
  ]);
  expect(hints.targets()).toEqual(expected);
  expect((await open()).targets()).toEqual(expected);
  expect(hints.bytes).toBe(31);
  await hints.remove(n3, bytes('a'), bytes(''));
  expect([...hints.targets().keys()]).toEqual([n2]);
});

test('the hints of one target come in order, up to the limit, and none of a target whose name begins alike', async () => {
  for (const name of ['c', 'a', 'b']) await hints.add(n2, bytes(name), bytes(`record ${name}`));
  await hints.add(nodeId('n22'), bytes('x'), bytes('not for n2'));
  await hints.add(nodeId('n'), bytes('2'), bytes('not for n2'));
  expect(await list(n2, 10)).toEqual(['a=record a', 'b=record b', 'c=record c']);
  expect(await list(n2, 2)).toEqual(['a=record a', 'b=record b']);
  expect(await list(n2, 0)).toEqual([]);
  expect(await list(nodeId('n'), 10)).toEqual(['2=not for n2']);
});

test('only the hint that was confirmed is removed', async () => {
  await hints.add(n2, bytes('k'), bytes('sent'));
  await hints.add(n2, bytes('k'), bytes('newer'));
  expect(await hints.remove(n2, bytes('k'), bytes('sent'))).toBe(false);
  expect(text(hints.get(n2, bytes('k')))).toBe('newer');
  expect(await hints.remove(n2, bytes('k'), bytes('newer'))).toBe(true);
  expect(hints.get(n2, bytes('k'))).toBeUndefined();
  expect(await hints.remove(n2, bytes('k'), bytes('newer'))).toBe(false);
  expect(hints.bytes).toBe(0);
});

test('a newer hint that is still being written survives the removal of the older', async () => {
  await hints.add(n2, bytes('k'), bytes('sent'));
  const adding = hints.add(n2, bytes('k'), bytes('newer'));
  const removed = await hints.remove(n2, bytes('k'), bytes('sent'));
  await adding;
  expect(removed).toBe(false);
  expect(text(hints.get(n2, bytes('k')))).toBe('newer');
  expect((await open()).targets()).toEqual(hints.targets());
});

test('an added hint survives a removal that is still being written', async () => {
  await hints.add(n2, bytes('k'), bytes('sent'));
  const removing = hints.remove(n2, bytes('k'), bytes('sent'));
  await Promise.resolve();
  await hints.add(n2, bytes('k'), bytes('newer'));
  await removing;
  expect(text(hints.get(n2, bytes('k')))).toBe('newer');
  expect((await open()).targets()).toEqual(hints.targets());
});

test('the bound is met exactly: one byte more is refused, replacing and removing make room', async () => {
  const size = 1 + 1 + 2 + 1 + 10 + 4;
  hints = await open(2 * size);
  expect(await hints.add(n2, bytes('a'), new Uint8Array(10))).toEqual({ kind: 'stored' });
  expect(await hints.add(n2, bytes('b'), new Uint8Array(11))).toEqual({
    kind: 'full',
    bytes: size,
    bytesMax: 2 * size,
  });
  expect(await hints.add(n2, bytes('b'), new Uint8Array(10))).toEqual({ kind: 'stored' });
  expect((await hints.add(n2, bytes('c'), new Uint8Array(0))).kind).toBe('full');
  expect((await hints.add(n2, bytes('a'), new Uint8Array(10).fill(1))).kind).toBe('stored');
  await hints.remove(n2, bytes('b'), new Uint8Array(10));
  expect((await hints.add(n2, bytes('c'), new Uint8Array(0))).kind).toBe('stored');
});

test('concurrent adds together respect the bound', async () => {
  hints = await open(100);
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, index) => hints.add(n2, bytes(`key-${index}`), new Uint8Array(10))),
  );
  expect(outcomes.filter((outcome) => outcome.kind === 'stored').length).toBeGreaterThan(1);
  expect(hints.bytes).toBeLessThanOrEqual(100);
  expect((await open(100)).bytes).toBe(hints.bytes);
});

test('a damaged hint is neither returned nor replayed, but dropped and counted', async () => {
  await hints.add(n2, bytes('a'), bytes('good'));
  await hints.add(n2, bytes('b'), bytes('bad'));
  const key = Buffer.from('\x02\x02n2b', 'latin1');
  const value = engine.get(key) as Uint8Array;
  value[0] = (value[0] as number) ^ 1;
  await engine.write([{ kind: 'put', key, value }], { sync: true });
  expect(hints.get(n2, bytes('b'))).toBeUndefined();
  expect(await list(n2, 10)).toEqual(['a=good']);
  expect(hints.damagedHints).toBe(1);
  expect(engine.get(key)).toBeUndefined();
  expect((await open()).targets()).toEqual(hints.targets());
});

async function list(target: ReturnType<typeof nodeId>, limit: number): Promise<string[]> {
  const found: string[] = [];
  for await (const { recordKey, record } of hints.entries(target, limit))
    found.push(`${text(recordKey)}=${text(record)}`);
  return found;
}

function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

function text(content: Uint8Array | undefined): string {
  return content === undefined ? '(absent)' : new TextDecoder().decode(content);
}
