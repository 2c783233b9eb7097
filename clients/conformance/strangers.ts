/** Tools that know nothing of Kindred talk to a node through reflection alone: grpcurl, buf curl and ghz, where they are installed. */

import { randomBytes } from 'node:crypto';
import { runCommand } from '../../tools/command.ts';
import type { TestBed } from './test-bed.ts';

export interface StrangerResult {
  readonly tool: string;
  readonly status: 'passed' | 'failed' | 'left out';
  /** What went wrong, or how to get the tool. */
  readonly problem: string | undefined;
}

interface Stranger {
  readonly tool: string;
  readonly program: string;
  readonly install: string;
  /** What went wrong, or `undefined`. */
  readonly talk: (address: string) => Promise<string | undefined>;
}

const withinMs = 120_000;
const service = 'kindred.v1.KeyValueService';
const value = Buffer.from('hello').toString('base64');

const strangers: readonly Stranger[] = [
  {
    tool: 'grpcurl',
    program: 'grpcurl',
    install: 'go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3',
    talk: (address) =>
      putAndGet((method, message) =>
        runCommand('grpcurl', ['-plaintext', '-d', message, address, `${service}/${method}`], {
          timeoutMs: withinMs,
        }),
      ),
  },
  {
    tool: 'buf curl',
    program: 'buf',
    install: 'npm ci',
    talk: (address) =>
      putAndGet((method, message) =>
        runCommand(
          'buf',
          [
            'curl',
            '--protocol',
            'grpc',
            '--http2-prior-knowledge',
            '-d',
            message,
            `http://${address}/${service}/${method}`,
          ],
          { timeoutMs: withinMs },
        ),
      ),
  },
  {
    tool: 'ghz',
    program: 'ghz',
    install: 'go install github.com/bojand/ghz/cmd/ghz@v0.93.0',
    talk: async (address) => {
      const flags = [
        '--insecure',
        '--call',
        `${service}.Get`,
        '--data',
        JSON.stringify({ key: { key: ownKey() } }),
      ];
      const load = ['--total', '500', '--concurrency', '10', '--timeout', '60s', '--format', 'json'];
      const { stdout, output } = await runCommand('ghz', [...flags, ...load, address], {
        timeoutMs: withinMs,
      });
      const codes = (parsed(stdout) as { statusCodeDistribution?: unknown } | undefined)
        ?.statusCodeDistribution;
      return JSON.stringify(codes) === '{"OK":500}'
        ? undefined
        : `ghz counted ${JSON.stringify(codes)}: ${output}`;
    },
  },
];

/** Each tool in turn. */
export async function meetStrangers(bed: TestBed): Promise<readonly StrangerResult[]> {
  // The last case may have left a node down.
  await bed.arrange([]);
  const results: StrangerResult[] = [];
  for (const { tool, program, install, talk } of strangers) {
    const { exitCode } = await runCommand(program, ['--version'], { timeoutMs: withinMs });
    if (exitCode === 127) {
      results.push({ tool, status: 'left out', problem: `not installed: ${install}` });
      continue;
    }
    const problem = await talk(bed.endpoint('n1'));
    results.push({ tool, status: problem === undefined ? 'passed' : 'failed', problem });
  }
  return results;
}

async function putAndGet(
  call: (method: string, message: string) => Promise<{ exitCode: number; stdout: string; output: string }>,
): Promise<string | undefined> {
  const key = { key: ownKey() };
  const put = await call('Put', JSON.stringify({ key, value: { data: value } }));
  if (put.exitCode !== 0) return `Put: ${put.output}`;
  const get = await call('Get', JSON.stringify({ key }));
  if (get.exitCode !== 0) return `Get: ${get.output}`;
  const answer = parsed(get.stdout) as
    | { state?: string; versions?: readonly { value?: { data?: string } }[] }
    | undefined;
  const isRight = answer?.state === 'STATE_FOUND' && answer.versions?.[0]?.value?.data === value;
  return isRight ? undefined : `Get answered ${get.output}`;
}

function ownKey(): string {
  return randomBytes(12).toString('base64');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
