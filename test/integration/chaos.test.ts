/** The chaos runs in the smallest size: that the harness works, on whatever this machine allows. `npm run chaos` is the campaign. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { placeOf } from '../chaos/campaign.ts';
import { runChaos } from '../chaos/chaos-run.ts';
import { FAULT_KINDS, type FaultKind } from '../chaos/fault-kinds.ts';
import { lookAtMachine } from '../chaos/machine.ts';
import { parseChaosOptions } from '../chaos/options.ts';
import { mountsBelow, RunDirectory, removeDeadRuns } from '../chaos/run-directory.ts';

const main = fileURLToPath(new URL('../chaos/main.ts', import.meta.url));
const missing = await lookAtMachine();

for (const name of ['partition-one-way', 'link-mixed', 'power-loss-all']) {
  test(`one round of ${name}: nothing acknowledged is lost, and full service comes back`, async (context) => {
    const kind = FAULT_KINDS.find((known) => known.name === name) as FaultKind;
    const place = placeOf(kind, missing, undefined);
    if (place.kind === 'nowhere') return context.skip(place.reason);
    await using directory = new RunDirectory();
    const lines: string[] = [];
    const size = { nodes: 3, rounds: 1, faultMs: 3_000, seed: 1, engine: 'lsm' } as const;
    const onLine = (line: string): void => {
      lines.push(line);
    };
    const result = await runChaos(directory, { ...size, kind, network: place.network, onLine });
    const log = lines.join('\n');
    expect(result.lost, log).toEqual([]);
    expect(result.untrue, log).toEqual([]);
    expect(result.acknowledged, log).toBeGreaterThan(50);
    expect(result.readsDone, log).toBeGreaterThan(50);
    expect(result.fullServiceMs, log).toHaveLength(1);
    await directory[Symbol.asyncDispose]();
    expect(existsSync(directory.path)).toBe(false);
    expect(mountsBelow(directory.path)).toEqual([]);
  });
}

test('what a run that was killed leaves behind is removed by the next', async (context) => {
  const reason = missing.get('linux');
  if (reason !== undefined) return context.skip(reason);
  const run = spawn(process.execPath, [main, '--kind', 'kill-one', '--nodes', '3', '--rounds', '1']);
  let said = '';
  run.stdout.on('data', (text: Buffer) => {
    said += text.toString();
  });
  while (!said.includes('kill -9 of')) await once(run.stdout, 'data');
  const directory = serversBelow()[0]?.directory as string;
  const exited = once(run, 'exit');
  run.kill('SIGKILL');
  await exited;
  expect(existsSync(directory)).toBe(true);
  const removed = await removeDeadRuns();
  expect(removed.some((id) => directory.endsWith(id))).toBe(true);
  expect(existsSync(directory)).toBe(false);
  expect(serversBelow().filter((server) => server.directory === directory)).toEqual([]);
});

test('the command line refuses what it does not understand, and says what there is', () => {
  const problemOf = (...args: readonly string[]): string => {
    const parsed = parseChaosOptions(args);
    return parsed.kind === 'wrong' ? parsed.problem : parsed.kind;
  };
  expect(problemOf('--kind', 'flood')).toMatch(/--kind flood: there is kill-one, .*power-loss-all/);
  expect(problemOf('--rounds', '0')).toBe('--rounds 0: must be a whole number from 1 to 1000');
  expect(problemOf('--seconds', 'long')).toMatch(/--seconds long/);
  expect(problemOf('--nodes', '2')).toMatch(/from 3 to 9/);
  expect(problemOf('--engine', 'memory')).toBe('--engine memory: must be lsm or btree');
  expect(problemOf('--network', 'token-ring')).toMatch(/namespaces or proxies/);
  expect(problemOf('--frobnicate')).toMatch(/frobnicate/);
  expect(problemOf('--list')).toBe('list');
  expect(parseChaosOptions([])).toMatchObject({
    kind: 'run',
    options: { kinds: FAULT_KINDS, rounds: 3, seconds: 30, nodes: 5, seed: 1 },
  });
});

/** Servers of chaos runs, and the directories that these belong to. */
function serversBelow(): readonly { readonly pid: number; readonly directory: string }[] {
  const lines = execFileSync('ps', ['-eo', 'pid,args', '-ww'], { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => {
    const found = /^ *(\d+) .* --data (\S+kindred-chaos-kc[0-9a-f]{4})\//.exec(line);
    return found === null ? [] : [{ pid: Number(found[1]), directory: found[2] as string }];
  });
}
