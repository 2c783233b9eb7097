/**
 * A node whose disk fails under load, and nodes that cannot or must not start: what the others do, what is lost (nothing that
 * was acknowledged), which exit code, and whether the message says what to do.
 */

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { SERVER_EXIT } from '../../src/cli/exit-code.ts';
import { ConsistencyLevel } from '../../src/gen/kindred/v1/types.ts';
import { acknowledgedMore } from '../crash/kill-rounds.ts';
import { CrashWorkload } from '../support/crash-workload.ts';
import { type NodeDifference, RealCluster, type RealNode, until } from '../support/real-cluster.ts';

const run = promisify(execFile);
/** Debian's package of this name. Without it the tests that need it are skipped, by name. */
const strace = 'strace';
const quorum = ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM;
const all = ConsistencyLevel.CONSISTENCY_LEVEL_ALL;
const traceable = await succeeds(run(strace, ['-o', '/dev/null', 'true']));
const mountable = await canMount();

for (const engine of ['lsm', 'btree'] as const) {
  test(`${engine}: fsync fails on one node under load`, async (context) => {
    if (!traceable) return context.skip('strace is not installed or may not trace here');
    await using cluster = await RealCluster.start({ engine });
    const [victim, ...others] = cluster.nodes as [RealNode, RealNode, RealNode];
    const writers = new CrashWorkload(cluster.nodes, { writers: 24, keysPerWriter: 4 });
    writers.start();
    await acknowledgedMore(writers, 100);
    await using _tracer = await failEveryFsync(victim.pid as number);
    await expectFailStop(
      victim,
      others,
      writers,
      /"code":"io-error"|Input\/output error|EIO/,
      'Look at the disk',
    );
    victim.start();
    await expectNothingLost(cluster, writers);
  });

  test(`${engine}: the disk of one node fills up under load`, async (context) => {
    if (!mountable) return context.skip('mounting a tmpfs is not allowed here');
    await using disk = await smallDisk();
    const data = join(disk.path, 'data');
    const of = (id: string): NodeDifference => (id === 'n1' ? { data } : {});
    await using cluster = await RealCluster.start({ engine, of });
    const [victim, ...others] = cluster.nodes as [RealNode, RealNode, RealNode];
    const writers = new CrashWorkload(cluster.nodes, { writers: 24, keysPerWriter: 20, valueBytes: 8_000 });
    writers.start();
    await acknowledgedMore(writers, 50);
    fill(join(disk.path, 'filler'));
    // What is written into pages that it has already may still succeed, and is then on the disk.
    await until(async () => victim.log.includes('the disk failed, nothing is acknowledged any more'), 30_000);
    await expectFailStop(victim, others, writers, /no space left|disk-full/i, 'Make room on the disk');

    // Still full: it does not start, and says so again.
    victim.start();
    expect(await victim.exited).toBe(SERVER_EXIT.storage);
    expect(victim.log).toContain('Make room on the disk');

    rmSync(join(disk.path, 'filler'));
    victim.start();
    await expectNothingLost(cluster, writers);
  });
}

test('a directory that cannot be written is refused', async (context) => {
  if (process.getuid?.() === 0 && !mountable) {
    return context.skip('root may write everywhere, and mounting a read-only tmpfs is not allowed here');
  }
  await using disk = mountable ? await smallDisk() : undefined;
  const parent = disk?.path ?? mkdtempSync(join(tmpdir(), 'kindred-read-only-'));
  try {
    if (disk === undefined) chmodSync(parent, 0o500);
    else await run('mount', ['-o', 'remount,ro', parent]);
    await using cluster = await RealCluster.plan({ of: () => ({ data: join(parent, 'data') }) });
    const [node] = cluster.nodes as readonly [RealNode];
    node.start();
    expect(await node.exited).toBe(SERVER_EXIT.storage);
    expect(node.log).toMatch(
      /read-only file system.*Let this user write there|permission denied.*Let this user write there/i,
    );
    expect(node.log).toContain(parent);
  } finally {
    if (disk === undefined) rmSync(parent, { recursive: true });
  }
});

test('refused with the reason: a second process on the data, ports in use, another cluster, another configuration', async () => {
  await using cluster = await RealCluster.start();
  const { nodes } = cluster;
  const [first, second, third] = nodes as readonly [RealNode, RealNode, RealNode];

  // Another node's directory while that node runs, and when it does not.
  await using intruders = await RealCluster.plan({ nodes: 1, of: () => ({ data: first.data }) });
  const [intruder] = intruders.nodes as readonly [RealNode];
  intruder.start();
  expect(await intruder.exited).toBe(SERVER_EXIT.storage);
  expect(intruder.log).toContain(`${first.data} is in use by process ${first.pid}`);

  expect(await third.kill('SIGTERM')).toBe(0);
  await using strangers = await RealCluster.plan({ nodes: 1, of: () => ({ data: third.data }) });
  const [stranger] = strangers.nodes as readonly [RealNode];
  stranger.start();
  expect(await stranger.exited).toBe(SERVER_EXIT.storage);
  expect(stranger.log).toMatch(/belongs to node n3, and this node is configured for node n1/);
  stranger.start(['--cluster-id', 'other']);
  expect(await stranger.exited).toBe(SERVER_EXIT.storage);
  expect(stranger.log).toMatch(/belongs to cluster test, and this node is configured for cluster other/);

  for (const port of [third.ports.client, third.ports.peer, third.ports.http]) {
    // Lets the peers go again, which knock here meanwhile.
    const occupant = createServer((socket) => socket.destroy());
    occupant.listen(port, '127.0.0.1');
    await once(occupant, 'listening');
    third.start();
    expect(await third.exited, third.log).toBe(SERVER_EXIT.portInUse);
    expect(third.log).toMatch(/one of the ports [\d, ]+ on 127\.0\.0\.1 is in use/);
    expect(third.log).toContain(`:${port}`);
    occupant.close();
    await once(occupant, 'close');
  }

  // Both sides refuse each other and say what differs; the two that agree go on.
  const elsewhere = join(cluster.directory, 'elsewhere');
  const differences: readonly (readonly [flags: readonly string[], says: RegExp])[] = [
    [
      ['--cluster-id', 'other', '--data', elsewhere],
      /cluster ids differ: .*"other\\?".*"test\\?"|cluster ids differ: .*"test\\?".*"other\\?"/,
    ],
    [['--replication', '2', '--data', `${elsewhere}-2`], /configurations differ: .*replication/],
  ];
  for (const [flags, says] of differences) {
    const from = [first.log.length, second.log.length] as const;
    third.start(flags);
    await until(async () => says.test(third.log));
    await until(async () => says.test(first.log.slice(from[0])) && says.test(second.log.slice(from[1])));
    const writers = new CrashWorkload([first, second], { writers: 4, keysPerWriter: 1 });
    writers.start();
    await acknowledgedMore(writers, 20);
    await writers.stop();
    expect(await writers.check(second, quorum)).toEqual([]);
    expect(await third.kill('SIGTERM')).toBe(0);
  }

  third.start();
  await cluster.ready();
});

/** After the disk of `victim` has begun to fail: it acknowledges nothing more, says why, ends, and the others go on. */
async function expectFailStop(
  victim: RealNode,
  others: readonly RealNode[],
  writers: CrashWorkload,
  reason: RegExp,
  advice: string,
): Promise<void> {
  writers.mark();
  // Needs the victim's acknowledgement, too: with the failing disk none can come.
  const needsAll = new CrashWorkload(others, {
    writers: 8,
    keysPerWriter: 1,
    consistency: all,
    prefix: 'all-',
  });
  needsAll.start();
  expect(await victim.exited).toBe(SERVER_EXIT.storage);
  await acknowledgedMore(writers, 100);
  await needsAll.stop();
  expect(writers.acknowledgedThrough(victim)).toBe(0);
  expect(needsAll.counts.acknowledged).toBe(0);
  expect(needsAll.untruths).toEqual([]);
  expect(victim.log).toMatch(reason);
  expect(victim.log).toContain(advice);
  expect(victim.log).toContain('the node has failed and stops');
  for (const node of others) expect(await Promise.race([node.exited, 'running'])).toBe('running');
}

/** `cluster` is whole again, or about to be. */
async function expectNothingLost(cluster: RealCluster, writers: CrashWorkload): Promise<void> {
  await cluster.ready();
  await acknowledgedMore(writers, 50);
  await writers.stop();
  for (const node of cluster.nodes) {
    expect(await writers.check(node, quorum)).toEqual([]);
    expect(await writers.check(node, all)).toEqual([]);
  }
}

/** From the return on, every fsync of the process fails. */
async function failEveryFsync(pid: number): Promise<AsyncDisposable> {
  const calls = 'fsync,fdatasync,msync,sync_file_range';
  const inject = ['-e', `trace=${calls}`, '-e', `inject=${calls}:error=EIO`];
  const tracer = spawn(strace, ['-f', '-o', '/dev/null', ...inject, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const gone = once(tracer, 'exit');
  let said = '';
  tracer.stderr.on('data', (text: Buffer) => {
    said += text.toString();
  });
  await until(async () => new RegExp(`Process ${pid} attached`).test(said));
  return {
    async [Symbol.asyncDispose]() {
      tracer.kill('SIGTERM');
      await gone;
    },
  };
}

interface SmallDisk extends AsyncDisposable {
  readonly path: string;
}

/** A file system of 24 MiB in memory. */
async function smallDisk(): Promise<SmallDisk> {
  const path = mkdtempSync(join(tmpdir(), 'kindred-small-disk-'));
  await run('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', path]);
  return {
    path,
    async [Symbol.asyncDispose]() {
      await run('umount', [path]);
      rmSync(path, { recursive: true });
    },
  };
}

/** Takes all that is left of the file system. */
function fill(path: string): void {
  const block = Buffer.alloc(64 * 1024, 1);
  for (;;) {
    try {
      writeFileSync(path, block, { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return;
      throw error;
    }
  }
}

async function canMount(): Promise<boolean> {
  try {
    await using disk = await smallDisk();
    mkdirSync(join(disk.path, 'probe'));
    return true;
  } catch {
    return false;
  }
}

function succeeds(attempt: Promise<unknown>): Promise<boolean> {
  return attempt.then(
    () => true,
    () => false,
  );
}
