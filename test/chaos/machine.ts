/** What this machine lets a chaos run do, and if not, why not. */

import { randomInt } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathOf, runProgram } from './program.ts';

/** Something that a kind of fault needs. */
export type Ability = 'linux' | 'namespaces' | 'mount' | 'loop' | 'strace';

/** For each ability that is missing, the reason, with what to do. */
export type Missing = ReadonlyMap<Ability, string>;

/** Tries everything that a run would do later, in small. */
export async function lookAtMachine(): Promise<Missing> {
  const missing = new Map<Ability, string>();
  const attempts: readonly (readonly [Ability, () => Promise<void>])[] = [
    ['linux', tryLinux],
    ['namespaces', tryNamespaces],
    ['mount', tryMount],
    ['loop', tryLoop],
    ['strace', tryStrace],
  ];
  for (const [ability, attempt] of attempts) {
    try {
      await attempt();
    } catch (error) {
      missing.set(ability, error instanceof Error ? error.message : String(error));
    }
  }
  return missing;
}

async function tryLinux(): Promise<void> {
  if (process.platform !== 'linux') throw new Error(`needs Linux, and this is ${process.platform}`);
  readFileSync('/proc/net/tcp');
}

async function tryNamespaces(): Promise<void> {
  needRoot();
  need('ip', 'iproute2');
  need('nsenter', 'util-linux');
  need('nft', 'nftables');
  const name = `kc-try-${randomInt(1_000_000)}`;
  await runProgram('ip', 'netns', 'add', name);
  try {
    await runProgram('ip', '-n', name, 'link', 'add', 'one', 'type', 'veth', 'peer', 'name', 'two');
    await runProgram('ip', '-n', name, 'link', 'add', 'three', 'type', 'bridge');
    const rule = 'add table ip t; add chain ip t c { type filter hook input priority 0; }; ';
    const drop = 'add rule ip t c ip saddr 10.0.0.1 numgen random mod 100 < 50 drop';
    await runProgram('nsenter', `--net=/run/netns/${name}`, pathOf('nft') as string, rule + drop);
  } finally {
    await runProgram('ip', 'netns', 'del', name);
  }
}

async function tryMount(): Promise<void> {
  needRoot();
  need('mount', 'mount');
  await inDirectory(async (path) => {
    await runProgram('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path);
    await runProgram('umount', path);
  });
}

async function tryLoop(): Promise<void> {
  needRoot();
  need('mkfs.ext4', 'e2fsprogs');
  await inDirectory(async (path) => {
    const image = join(path, 'image');
    const mounted = join(path, 'mounted');
    await runProgram('mkdir', mounted);
    await runProgram('truncate', '--size', '8M', image);
    await runProgram('mkfs.ext4', '-q', '-F', image);
    await runProgram('mount', '-o', 'loop', image, mounted);
    await runProgram('umount', mounted);
  });
}

async function tryStrace(): Promise<void> {
  need('strace', 'strace');
  await runProgram('strace', '-o', '/dev/null', 'true');
}

async function inDirectory(attempt: (path: string) => Promise<void>): Promise<void> {
  const path = mkdtempSync(join(tmpdir(), 'kindred-chaos-try-'));
  try {
    await attempt(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

function needRoot(): void {
  if (process.getuid?.() !== 0) throw new Error('only root may do this');
}

function need(program: string, debianPackage: string): void {
  if (pathOf(program) === undefined) {
    throw new Error(`${program} is not installed (Debian: apt install ${debianPackage})`);
  }
}
