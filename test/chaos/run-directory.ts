/**
 * What one chaos run makes on this machine, and how all of it goes away again: processes, namespaces, mounts, files. Every
 * name begins with the id of the run, and every process is noted in its directory, so that a later run can remove what a
 * run left behind that was itself killed.
 */

import { randomInt } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pause, runProgram, succeeds } from './program.ts';

const prefix = 'kindred-chaos-';
const ownerFile = 'owner';
const processesFile = 'processes';
const removeWithinMs = 10_000;

/** The directory of one run, and the name of everything that belongs to it. */
export class RunDirectory {
  /** Begins the names of network devices, which have at most 15 characters. */
  readonly id: string;
  readonly path: string;
  /** Two bytes of an IP address, for networks that no other run uses at the same time. */
  readonly subnet: readonly [number, number];
  #removed = false;

  constructor() {
    for (;;) {
      this.subnet = [randomInt(130, 250), randomInt(0, 256)];
      this.id = `kc${this.subnet.map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
      this.path = join(tmpdir(), `${prefix}${this.id}`);
      if (existsSync(this.path)) continue;
      mkdirSync(this.path);
      break;
    }
    writeFileSync(join(this.path, processesFile), '');
    writeFileSync(join(this.path, ownerFile), identityOf(process.pid) ?? '');
  }

  /** A directory below this one, made if need be. */
  below(...names: readonly string[]): string {
    const path = join(this.path, ...names);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Has the process ended with the run. */
  note(pid: number | undefined): void {
    const identity = pid === undefined ? undefined : identityOf(pid);
    if (identity === undefined) return;
    if (this.#removed) process.kill(Number(identity.split(' ')[0]), 'SIGKILL');
    else appendFileSync(join(this.path, processesFile), `${identity}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#removed) return;
    this.#removed = true;
    await removeRun(this.path);
  }
}

/** Removes what runs left behind whose own process is gone. Returns their ids. */
export async function removeDeadRuns(): Promise<readonly string[]> {
  const dead = readdirSync(tmpdir())
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(tmpdir(), name))
    .filter((path) => existsSync(join(path, ownerFile)) && !isRunning(read(path, ownerFile)));
  for (const path of dead) await removeRun(path);
  return dead.map((path) => basename(path).slice(prefix.length));
}

async function removeRun(path: string): Promise<void> {
  const id = basename(path).slice(prefix.length);
  const processes = read(path, processesFile)
    .split('\n')
    .filter((line) => line !== '');
  const deadline = performance.now() + removeWithinMs;
  for (;;) {
    const running = processes.filter(isRunning);
    for (const identity of running) killIfThere(Number(identity.split(' ')[0]));
    if (running.length === 0 || performance.now() > deadline) break;
    await pause(20);
  }
  for (;;) {
    const left = await removeMountsAndNetwork(path, id);
    if (left.length === 0) break;
    if (performance.now() > deadline) throw new Error(`not removed: ${left.join(', ')}`);
    await pause(50);
  }
  rmSync(path, { recursive: true, force: true });
}

/** Returns what could not be removed yet. */
async function removeMountsAndNetwork(path: string, id: string): Promise<readonly string[]> {
  const left: string[] = [];
  // The latest first: a file system may be mounted on a directory of another.
  for (const mount of mountsBelow(path).reverse()) {
    if (!(await succeeds('umount', mount))) left.push(mount);
  }
  for (const namespace of namespacesOf(id)) {
    if (!(await succeeds('ip', 'netns', 'del', namespace))) left.push(namespace);
  }
  if (existsSync(`/sys/class/net/${id}`)) await runProgram('ip', 'link', 'del', id);
  return left;
}

/** Where file systems are mounted at the path or below, in the order in which they were. */
export function mountsBelow(path: string): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((mount) => mount === path || mount.startsWith(`${path}/`));
}

function namespacesOf(id: string): readonly string[] {
  const directory = '/run/netns';
  return existsSync(directory) ? readdirSync(directory).filter((name) => name.startsWith(`${id}-`)) : [];
}

/** Process id and start time: ids are used again. `undefined` when there is no such process. */
function identityOf(pid: number): string | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // After the name, which is in brackets and may hold anything.
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : `${pid} ${fields[19]}`;
  } catch {
    return undefined;
  }
}

function isRunning(identity: string): boolean {
  const line = identity.trim();
  return line !== '' && identityOf(Number(line.split(' ')[0])) === line;
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function read(path: string, name: string): string {
  return existsSync(join(path, name)) ? readFileSync(join(path, name), 'utf8') : '';
}
