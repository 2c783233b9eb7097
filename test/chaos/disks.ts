/** Disks that a chaos run may break: one for each node, of a kind that allows the fault. */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from './program.ts';
import type { RunDirectory } from './run-directory.ts';

/**
 * `plain`: a directory of this machine. `small`: a file system in memory that can be filled up. `loop`: ext4 on an image
 * file, of which the bytes that survive a power cut can be copied.
 */
export type DiskKind = 'plain' | 'small' | 'loop';

/** The disk of one node. */
export interface NodeDisk {
  /** The node's data directory. */
  readonly data: string;
}

export interface SmallDisk extends NodeDisk {
  /** Takes all that is left of it. */
  fill(): void;
  /** Gives that back. */
  makeRoom(): void;
}

export interface LoopDisk extends NodeDisk {
  /**
   * Sets aside what is on the disk now: what was written and not fsynced is only in memory, and not part of it. Nothing may
   * be writing.
   */
  copyImage(): Promise<void>;
  /** Continues with the copy, as a machine does after a power cut. Nothing may have files open. */
  continueWithCopy(): Promise<void>;
}

/** Small enough to fill at once, large enough for the load with all the files that compaction keeps. */
const smallDiskMegabytes = 128;
const imageMegabytes = 256;

export function plainDisk(directory: RunDirectory, node: string): NodeDisk {
  return { data: join(directory.below('plain'), node) };
}

export async function smallDisk(directory: RunDirectory, node: string): Promise<SmallDisk> {
  const path = directory.below('small', node);
  await runProgram('mount', '-t', 'tmpfs', '-o', `size=${smallDiskMegabytes}m`, 'tmpfs', path);
  const filler = join(path, 'filler');
  return {
    data: join(path, 'data'),
    fill: () => fill(filler),
    makeRoom: () => rmSync(filler, { force: true }),
  };
}

export async function loopDisk(directory: RunDirectory, node: string): Promise<LoopDisk> {
  const path = directory.below('loop', node);
  // In memory: five images are copied while all nodes stand still.
  await runProgram('mount', '-t', 'tmpfs', '-o', `size=${4 * imageMegabytes}m`, 'tmpfs', path);
  let generation = 0;
  const image = (): string => join(path, `image-${generation}`);
  const mounted = join(path, 'mounted');
  mkdirSync(mounted);
  writeFileSync(image(), '');
  await runProgram('truncate', '--size', `${imageMegabytes}M`, image());
  await runProgram('mkfs.ext4', '-q', '-F', image());
  // The kernel writes back by itself as rarely as can be: what nobody fsynced is to be lost.
  const mount = (): Promise<string> => runProgram('mount', '-o', 'loop,noatime,commit=300', image(), mounted);
  await mount();
  return {
    data: join(mounted, 'data'),
    async copyImage() {
      // Reads the image file past the file system that is mounted from it.
      await runProgram('cp', '--sparse=always', image(), join(path, `image-${generation + 1}`));
    },
    async continueWithCopy() {
      await runProgram('umount', mounted);
      rmSync(image());
      generation++;
      await mount();
    },
  };
}

function fill(path: string): void {
  for (const size of [64 * 1024, 1024]) {
    const block = Buffer.alloc(size, 1);
    for (;;) {
      try {
        writeFileSync(path, block, { flag: 'a' });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        break;
      }
    }
  }
}
