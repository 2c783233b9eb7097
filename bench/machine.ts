/** What the figures depend on and the code does not: the machine, its disk, and what else runs on it. */

import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { rm, statfs } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  /** Processes that wanted to run, on average over the last minute, before the bench began. */
  readonly loadBefore: number;
  /** What one write of 4 KiB and its fdatasync takes, the median of some. */
  readonly syncMicros: number;
  /** Why fsync means little in the directory of the data, if it does. */
  readonly diskWarning: string | undefined;
}

const probes = 101;
const blockBytes = 4096;
// statfs(2): TMPFS_MAGIC.
const tmpfsType = 0x01021994;

/** Looks at the machine, and at the disk that `directory` is on. */
export async function lookAtMachine(directory: string): Promise<Machine> {
  const [first] = cpus();
  return {
    cpu: first?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: kernel(),
    node: process.version,
    loadBefore: loadavg()[0] ?? 0,
    syncMicros: await syncMicros(join(directory, 'sync-probe')),
    diskWarning:
      (await statfs(directory)).type === tmpfsType
        ? `${directory} is in memory (tmpfs): fsync costs nothing there; choose a directory on a disk with --directory`
        : undefined,
  };
}

async function syncMicros(path: string): Promise<number> {
  const file = openSync(path, 'w');
  const block = Buffer.alloc(blockBytes, 1);
  const took: number[] = [];
  for (let probe = 0; probe < probes; probe++) {
    const started = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    took.push((performance.now() - started) * 1000);
  }
  closeSync(file);
  await rm(path);
  return Math.round(took.sort((a, b) => a - b)[(probes - 1) / 2] as number);
}

function kernel(): string {
  try {
    return `Linux ${readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim()}`;
  } catch {
    return process.platform;
  }
}
