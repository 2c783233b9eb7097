/** `--profile`: one row, with the CPU profiler of Node on the first node, and where its time went. */

import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { plainTable } from '../src/cli/answer-text.ts';

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  /** Microseconds, as `timeDeltas`. */
  readonly endTime: number;
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const root = join(import.meta.dirname, '..');
const functionsShown = 40;
const filesShown = 20;

/** The path of the profile in `directory`, and the functions and files in which the time of its last `lastMs` went. */
export async function profileText(directory: string, options: { readonly lastMs: number }): Promise<string> {
  const name = (await readdir(directory)).find((each) => each.endsWith('.cpuprofile'));
  if (name === undefined)
    throw new Error(`${directory} holds no .cpuprofile: the node has not stopped cleanly`);
  const path = join(directory, name);
  const profile = JSON.parse(await readFile(path, 'utf8')) as CpuProfile;
  const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  const byFunction = new Map<string, number>();
  const byFile = new Map<string, number>();
  const fromMicros = profile.endTime - options.lastMs * 1000;
  let atMicros = profile.startTime;
  let busy = 0;
  for (const [index, id] of profile.samples.entries()) {
    const frame = frames.get(id);
    const micros = profile.timeDeltas[index] ?? 0;
    atMicros += micros;
    // Starting, and compiling all modules, is not the subject.
    if (atMicros < fromMicros) continue;
    if (frame === undefined || frame.functionName === '(idle)') continue;
    busy += micros;
    const file = fileOf(frame.url);
    const where = file === '' ? '' : ` ${file}:${frame.lineNumber + 1}`;
    add(byFunction, `${frame.functionName || '(anonymous)'}${where}`, micros);
    add(byFile, file === '' ? frame.functionName : file, micros);
  }
  return [
    `${(busy / 1_000_000).toFixed(1)} s busy of the last ${options.lastMs / 1000} s, main thread, by function (self time):`,
    shares(byFunction, busy, functionsShown),
    'by file:',
    shares(byFile, busy, filesShown),
    `profile: ${path} (open it in the Performance panel of Chrome DevTools)`,
  ].join('\n');
}

function fileOf(url: string): string {
  if (!url.startsWith('file:')) return url;
  const path = fileURLToPath(url);
  const packages = path.lastIndexOf('/node_modules/');
  return packages === -1 ? relative(root, path) : path.slice(packages + 1);
}

function add(into: Map<string, number>, key: string, micros: number): void {
  into.set(key, (into.get(key) ?? 0) + micros);
}

function shares(times: ReadonlyMap<string, number>, total: number, shown: number): string {
  const rows = [...times]
    .sort((a, b) => b[1] - a[1])
    .slice(0, shown)
    .map(([name, micros]) => [`${((100 * micros) / total).toFixed(1)} %`.padStart(7), name]);
  return plainTable(['', ''], rows);
}
