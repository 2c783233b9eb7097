/**
 * Real faults of the disk under both engines: a file system that fills up, and an fsync that fails once and would succeed
 * afterwards. After the fault nothing is acknowledged; what was acknowledged before it is there when the store is opened again.
 */

import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { systemEnv } from '../../src/env/system-env.ts';
import type { EngineKind } from '../../src/storage/engine.ts';
import { openEngine } from '../../src/storage/open-engine.ts';
import { RecordStore } from '../../src/storage/record-store.ts';
import { keyOf, recordOf, type WriterReport, writerPartition } from './faulty-disk-writer.ts';

const run = promisify(execFile);
const writer = join(import.meta.dirname, 'faulty-disk-writer.ts');

describe.each(['lsm', 'btree'] as const)('%s', (kind) => {
  test('a disk that fills up: no acknowledgement after it, none lost', async (context) => {
    const path = await mkdtemp(join(tmpdir(), 'kindred-full-disk-'));
    try {
      const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', path]).then(
        () => true,
        () => false,
      );
      if (!mounted) return context.skip('mounting a tmpfs is not allowed here');
      try {
        const data = join(path, 'data');
        await mkdir(data);
        const outcome = await runWriter([process.execPath, writer, kind, data]);
        expectFailStop(outcome, 'disk-full', 'Make room on the disk');
        await run('mount', ['-o', 'remount,size=64m', path]);
        await expectAcknowledged(kind, data, outcome.acknowledged);
      } finally {
        await run('umount', [path]);
      }
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  });

  test('an fsync that fails once: no acknowledgement after it, none lost', async (context) => {
    const traceable = await run('strace', ['-o', '/dev/null', 'true']).then(
      () => true,
      () => false,
    );
    if (!traceable) return context.skip('strace is not installed or may not trace here');
    const path = await mkdtemp(join(tmpdir(), 'kindred-fsync-'));
    try {
      const calls = 'fsync,fdatasync,msync';
      // Counted per thread; opening takes fewer. Only this one fails: the next would say "ok", which is the trap.
      const inject = `inject=${calls}:error=EIO:when=60`;
      const strace = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${calls}`, '-e', inject];
      const outcome = await runWriter([...strace, process.execPath, writer, kind, path]);
      expectFailStop(outcome, 'io-error', 'Look at the disk');
      await expectAcknowledged(kind, path, outcome.acknowledged);
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  });
});

interface WriterOutcome {
  readonly acknowledged: readonly number[];
  readonly reports: readonly WriterReport[];
  readonly exitCode: number | null;
}

async function runWriter(command: readonly string[]): Promise<WriterOutcome> {
  const [program, ...args] = command;
  const child = spawn(program as string, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const reports: WriterReport[] = [];
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaints += chunk;
  });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('exit', resolve);
    child.once('error', reject);
  });
  for await (const line of createInterface({ input: child.stdout })) {
    // The LMDB binding prints its own complaints to standard output too.
    if (line.startsWith('{"kind"')) reports.push(JSON.parse(line) as WriterReport);
  }
  const exitCode = await exited;
  expect(reports.length, complaints).toBeGreaterThan(0);
  const acknowledged = reports.flatMap((report) => (report.kind === 'acknowledged' ? [report.number] : []));
  return { acknowledged, reports, exitCode };
}

function expectFailStop(
  { acknowledged, reports, exitCode }: WriterOutcome,
  code: string,
  advice: string,
): void {
  expect(acknowledged.length).toBeGreaterThan(20);
  // Everything that was acknowledged was so before the failure; then the 50 later writes and reads were refused.
  expect(reports.slice(acknowledged.length)).toEqual([
    { kind: 'failed', code, message: expect.stringContaining(advice) },
    { kind: 'after', acknowledged: 0, refusedWithTheSame: 50, reads: 0 },
  ]);
  expect(reports.slice(0, acknowledged.length).every((report) => report.kind === 'acknowledged')).toBe(true);
  expect(exitCode).toBe(74);
}

async function expectAcknowledged(
  kind: EngineKind,
  path: string,
  acknowledged: readonly number[],
): Promise<void> {
  const engine = await openEngine({ kind, path });
  try {
    const store = new RecordStore({ engine, crc32, env: systemEnv() });
    for (const number of acknowledged) {
      const read = store.read(writerPartition, keyOf(number));
      expect(read.kind).toBe('found');
      if (read.kind === 'found') expect(Buffer.compare(read.record, recordOf(number))).toBe(0);
    }
    const next = 1_000_000;
    await store.write(writerPartition, keyOf(next), recordOf(next), { sync: true });
    expect(store.read(writerPartition, keyOf(next)).kind).toBe('found');
  } finally {
    await engine.close();
  }
}
