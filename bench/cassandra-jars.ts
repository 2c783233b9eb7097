/**
 * Where Cassandra comes from: Maven gathers its jars, and compiles the load that is sent to it, once, into
 * `bench/cassandra/target`. That needs the network, a JDK and Maven; what is there already needs Java alone.
 */

import { execFile, spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { endWithThisProcess } from './child-processes.ts';

const project = join(import.meta.dirname, 'cassandra');
const target = join(project, 'target');
const jars = join(target, 'jars');
/** Newer ones refuse what Cassandra 5.0 does to their internals. */
const javaMajor = 17;

/** For `java`: the load, Cassandra, and the driver. */
export const cassandraClassPath: string = `${join(target, 'classes')}:${join(jars, '*')}`;

/** The program of the JDK that JAVA_HOME names, or the one on the path. */
export function java(): string {
  const home = process.env['JAVA_HOME'];
  return home === undefined || home === '' ? 'java' : join(home, 'bin', 'java');
}

/** The jar of that name and of whatever version, or `undefined` when it was not gathered. */
export function cassandraJar(name: string): string | undefined {
  try {
    const found = readdirSync(jars).find(
      (file) => /^-\d.*\.jar$/.test(file.slice(name.length)) && file.startsWith(name),
    );
    return found === undefined ? undefined : join(jars, found);
  } catch {
    return undefined;
  }
}

/** The version of what was gathered, or `undefined` when nothing was. */
export function cassandraVersion(): string | undefined {
  const jar = cassandraJar('cassandra-all');
  return jar === undefined ? undefined : /cassandra-all-(.+)\.jar$/.exec(jar)?.[1];
}

/** Gathers and compiles unless that is done. Throws an Error that says what to install. */
export async function prepareCassandra(): Promise<void> {
  await requireJava();
  if (isPrepared()) return;
  process.stderr.write('gathering Cassandra and its driver (Maven, once)\n');
  await maven(['-q', '-B', '-f', join(project, 'pom.xml'), 'clean', 'process-classes']);
}

async function requireJava(): Promise<void> {
  const wanted = `Cassandra runs on Java ${javaMajor}: apt install openjdk-${javaMajor}-jdk-headless, or let JAVA_HOME name one`;
  let told: string;
  try {
    told = (await promisify(execFile)(java(), ['-version'])).stderr;
  } catch {
    throw new Error(`${java()} could not be started. ${wanted}`);
  }
  const major = /version "(\d+)/.exec(told)?.[1];
  if (major !== String(javaMajor)) throw new Error(`${java()} is of version ${major}. ${wanted}`);
}

/** Whether what Maven makes is there, and newer than what it is made from. */
function isPrepared(): boolean {
  const compiled = join(target, 'classes', 'io', 'kindred', 'bench', 'cassandra', 'LoadProcess.class');
  const made = [compiled, cassandraJar('cassandra-all'), cassandraJar('java-driver-core')].map(changedMs);
  const sources = readdirSync(join(project, 'src'), { recursive: true, encoding: 'utf8' });
  const from = [join(project, 'pom.xml'), ...sources.map((name) => join(project, 'src', name))].map(
    changedMs,
  );
  return Math.min(...made) > 0 && (made[0] as number) >= Math.max(...from);
}

/** 0: it is not there. */
function changedMs(path: string | undefined): number {
  return path === undefined ? 0 : (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
}

function maven(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    // Its own words go to standard error: standard output is for tables.
    const child = spawn('mvn', args, { stdio: ['ignore', 2, 2] });
    endWithThisProcess(child);
    child.once('error', (error) =>
      reject(
        new Error(`Maven gathers Cassandra, and could not be started (${error.message}): apt install maven`),
      ),
    );
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else
        reject(
          new Error(
            `mvn ${args.join(' ')} ended with ${signal ?? `exit code ${code}`}; it needs a JDK (apt install openjdk-${javaMajor}-jdk-headless) and, the first time, the network`,
          ),
        );
    });
  });
}
