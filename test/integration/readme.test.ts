/**
 * Every example of README.md, run as it stands there against a cluster of `kindred dev`, in order: the commands, what they
 * print, and the two commands that start it all. Only the ports differ. Without grpcurl on the PATH its examples are left
 * out, and the test says which.
 */

import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePortBase } from '../../tools/free-ports.ts';
import { Conversation } from '../support/conversation.ts';
import { Bindings, mismatch, type TranscriptStep, transcriptOf } from '../support/transcript.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(`${root}/README.md`, 'utf8');
const steps = transcriptOf(page);
const hasGrpcurl = (process.env['PATH'] ?? '')
  .split(delimiter)
  .some((folder) => existsSync(join(folder, 'grpcurl')));
const leftOut = hasGrpcurl ? [] : steps.filter(({ command }) => command.startsWith('grpcurl'));
const runnable = steps.filter((step) => !leftOut.includes(step));

let portBase: number;
let cluster: Conversation;
let shell: Conversation;
const bindings = new Bindings();
let marks = 0;

beforeAll(async () => {
  if (leftOut.length > 0) {
    const lines = leftOut.map(({ line }) => line).join(', ');
    console.warn(`no grpcurl on the PATH: left out are the examples of README.md at the lines ${lines}`);
  }
  portBase = await freePortBase(3);
  const args = ['src/main.ts', 'dev', '--ephemeral', '--commands', '--port-base', String(portBase)];
  cluster = new Conversation(process.execPath, args, { NO_COLOR: '1' });
  await cluster.until((line) => line.startsWith('Kindred is ready'), 0);
  shell = new Conversation('bash', ['--norc'], {
    KINDRED_ENDPOINT: `127.0.0.1:${portBase}`,
    NO_COLOR: '1',
    npm_config_loglevel: 'error',
    npm_config_update_notifier: 'false',
  });
});

afterAll(async () => {
  await shell.end('SIGKILL');
  await cluster.end('SIGTERM');
});

test('the page has its examples', () => {
  expect(steps.length).toBeGreaterThan(25);
  expect(steps.filter(({ command }) => command.startsWith('grpcurl')).length).toBeGreaterThan(8);
  expect(steps.filter(({ command }) => command.startsWith('npx buf curl')).length).toBeGreaterThan(5);
  expect(steps.some(({ command }) => command.startsWith('npx kindred resolve'))).toBe(true);
});

test.each(runnable.map((step) => [step.line, step] as const))(
  'README.md:%i',
  async (_line, step) => {
    if (step.prompt === 'cluster') await runInCluster(step);
    else await runInShell(step);
  },
  60_000,
);

test('the two commands are scripts of package.json', () => {
  const { scripts } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as {
    scripts: Record<string, string>;
  };
  expect(page).toContain('npm ci && npm start ');
  expect(page).toContain('npm ci && npm test ');
  expect(scripts['start']).toBe('node src/main.ts dev');
  expect(scripts['test']).toBeDefined();
});

/** The page has the default ports, the cluster others. */
function toCluster(text: string): string {
  return text.replaceAll(
    /127\.0\.0\.1:74(\d\d)\b/g,
    (_, last: string) => `127.0.0.1:${portBase + Number(last)}`,
  );
}

function toPage(text: string): string {
  return text.replaceAll(/127\.0\.0\.1:(\d+)/g, (whole, port: string) => {
    const index = Number(port) - portBase;
    return index >= 0 && index < 100 ? `127.0.0.1:${7400 + index}` : whole;
  });
}

async function runInShell(step: TranscriptStep): Promise<void> {
  const from = shell.lines.length;
  const mark = `end-of-command-${++marks}`;
  // The mark gets a line of its own, though a value need not end in one.
  shell.say(`{ ${toCluster(bindings.apply(step.command))}\n} 2>&1 </dev/null; printf '\\n%s\\n' ${mark}`);
  const printed = await shell.until((line) => line === mark, from);
  const output = toPage(printed.join('\n')).trimEnd();
  const problem = mismatch(step.expected, output, bindings);
  const log = cluster.lines.filter((line) => /ERROR|FATAL/.test(line)).slice(-5);
  expect(problem, [step.command, 'printed:', output, 'log of the nodes:', ...log].join('\n')).toBeUndefined();
}

/** Every expected line comes, in order; the log of the nodes may come between. */
async function runInCluster(step: TranscriptStep): Promise<void> {
  let from = cluster.lines.length;
  cluster.say(step.command);
  for (const expected of step.expected) {
    from += (await cluster.until((line) => line === expected, from)).length + 1;
  }
}
