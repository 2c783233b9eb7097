/**
 * Every example of docs/operating/failures.md, run as it stands there against five nodes of `kindred dev`, in order. Nodes take their
 * time to notice things, so that a command which shows something is repeated until it shows what the page says.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePortBase } from '../../tools/free-ports.ts';
import { Conversation } from '../support/conversation.ts';
import { Bindings, mismatch, type TranscriptStep, transcriptOf } from '../support/transcript.ts';

const page = readFileSync(
  fileURLToPath(new URL('../../docs/operating/failures.md', import.meta.url)),
  'utf8',
);
const steps = transcriptOf(page);
const withinMs = 60_000;
const dataOfPage = '/tmp/kindred-failures';

let portBase: number;
let data: string;
let cluster: Conversation;
let shell: Conversation;
let marks = 0;

beforeAll(async () => {
  portBase = await freePortBase(5);
  data = mkdtempSync(join(tmpdir(), 'kindred-failures-'));
  const nodes = ['--nodes', '5', '--data', data, '--port-base', String(portBase)];
  cluster = new Conversation(process.execPath, ['src/main.ts', 'dev', '--commands', ...nodes], {
    NO_COLOR: '1',
  });
  await cluster.until((line) => line.startsWith('Kindred is ready'), 0);
  shell = new Conversation('bash', ['--norc'], {
    KINDRED_ENDPOINT: `127.0.0.1:${portBase}`,
    NO_COLOR: '1',
    npm_config_loglevel: 'error',
    npm_config_update_notifier: 'false',
  });
}, 60_000);

afterAll(async () => {
  await shell.end('SIGKILL');
  await cluster.end('SIGTERM');
  rmSync(data, { recursive: true, force: true });
}, 60_000);

test('the page has its examples', () => {
  expect(steps.filter(({ prompt }) => prompt === 'cluster').length).toBeGreaterThanOrEqual(4);
  expect(steps.filter(({ command }) => command.includes('kindred status')).length).toBeGreaterThanOrEqual(4);
  expect(page).toContain(`--nodes 5 --data ${dataOfPage}`);
});

test.each(steps.map((step) => [step.line, step] as const))(
  'failures.md:%i',
  async (_line, step) => {
    if (step.prompt === 'cluster') await runInCluster(step);
    else await runInShell(step);
  },
  2 * withinMs,
);

/** The page has the default ports and a fixed directory, this cluster others. */
function toCluster(text: string): string {
  return text
    .replaceAll(/127\.0\.0\.1:74(\d\d)\b/g, (_, last: string) => `127.0.0.1:${portBase + Number(last)}`)
    .replaceAll(dataOfPage, data);
}

function toPage(text: string): string {
  return text.replaceAll(/127\.0\.0\.1:(\d+)/g, (whole, port: string) => {
    const index = Number(port) - portBase;
    return index >= 0 && index < 100 ? `127.0.0.1:${7400 + index}` : whole;
  });
}

/** Only what shows something may be repeated. */
function mayBeRepeated({ command }: TranscriptStep): boolean {
  return /^npx kindred (status|get|divergence|repair)/.test(command);
}

async function runInShell(step: TranscriptStep): Promise<void> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    const from = shell.lines.length;
    const mark = `end-of-command-${++marks}`;
    shell.say(`{ ${toCluster(step.command)}\n} 2>&1 </dev/null; printf '\\n%s\\n' ${mark}`);
    const printed = await shell.until((line) => line === mark, from);
    const output = toPage(printed.join('\n')).trimEnd();
    const problem = mismatch(step.expected, output, new Bindings());
    if (problem === undefined) return;
    if (mayBeRepeated(step) && performance.now() < deadlineMs) continue;
    expect.fail([step.command, problem, 'printed:', output].join('\n'));
  }
}

/** Every expected line comes, in order; the log of the nodes may come between. */
async function runInCluster(step: TranscriptStep): Promise<void> {
  let from = cluster.lines.length;
  cluster.say(step.command);
  for (const expected of step.expected) {
    from += (await cluster.until((line) => line === expected, from)).length + 1;
  }
}
