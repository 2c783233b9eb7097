/**
 * `bench clients`: what each client library costs over the bare stub of its language, and what its pipeline gains over one call
 * for each operation; on three nodes of their own process each. What is measured is the library's own `run/bench`.
 */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { median } from './median.ts';
import { type Session, say, tell } from './session.ts';
import { columnTable } from './table.ts';

export const clientNames = ['typescript', 'python', 'python-asyncio', 'go', 'java', 'rust'] as const;
export type ClientName = (typeof clientNames)[number];

export interface ClientsOptions {
  readonly names: readonly ClientName[];
  readonly rounds: number;
  /** Each measurement, in seconds. */
  readonly seconds: number;
}

/** What `run/bench` prints: operations a second, of 64 callers or of one pipeline. */
export interface ClientFigures {
  readonly stubGet: number;
  readonly clientGet: number;
  /** One caller, one call after the other. */
  readonly oneGet: number;
  readonly stubPut: number;
  readonly clientPut: number;
  readonly onePut: number;
  readonly pipelineGet: number;
  readonly pipelinePut: number;
  /** Where the client can send each key to one of its replicas itself. */
  readonly directGet?: number;
  readonly directPut?: number;
}

const clientsDirectory = join(import.meta.dirname, '..', 'clients');
/** There are at most ten measurements, and what the runtime needs to start. */
const limitMs = (seconds: number): number => (90 + 15 * seconds) * 1000;

/** The exit code: 1 when a client could not be measured. */
export async function runClients(session: Session, options: ClientsOptions): Promise<number> {
  const { endpoints } = await session.kindred();
  const rounds = new Map<ClientName, ClientFigures[]>();
  const failed = new Set<ClientName>();
  for (let round = 1; round <= options.rounds; round++) {
    for (const name of options.names) {
      if (failed.has(name)) continue;
      try {
        const figures = await measured(name, endpoints, options.seconds);
        rounds.set(name, [...(rounds.get(name) ?? []), figures]);
        tell(`round ${round} of ${options.rounds}: ${name}: ${JSON.stringify(figures)}`);
      } catch (error) {
        failed.add(name);
        tell(`${name}: ${(error as Error).message}`);
      }
    }
  }
  const medians = new Map([...rounds].map(([name, each]) => [name, mediansOf(each)]));
  say(
    `\noperations a second, 100 bytes, QUORUM, 64 callers, one caller, one pipeline; medians of ${options.rounds}\n`,
  );
  say(columnTable(clientsHead, clientsRows(medians)));
  await session.keepResults('clients', { options, medians: Object.fromEntries(medians) });
  return failed.size > 0 ? 1 : 0;
}

export const clientsHead: readonly string[] = [
  'client',
  '',
  'get, stub',
  'get',
  'of stub',
  'put, stub',
  'put',
  'of stub',
  'get, pipeline',
  'x 64 callers',
  'x one',
  'put, pipeline',
  'x 64 callers',
  'x one',
];

export function clientsRows(medians: ReadonlyMap<string, ClientFigures>): readonly (readonly string[])[] {
  return [...medians].map(([name, figures]) => {
    const { stubGet, clientGet, oneGet, stubPut, clientPut, onePut, pipelineGet, pipelinePut } = figures;
    return [
      name,
      '',
      whole(stubGet),
      whole(clientGet),
      percent(clientGet / stubGet),
      whole(stubPut),
      whole(clientPut),
      percent(clientPut / stubPut),
      whole(pipelineGet),
      (pipelineGet / clientGet).toFixed(1),
      (pipelineGet / oneGet).toFixed(1),
      whole(pipelinePut),
      (pipelinePut / clientPut).toFixed(1),
      (pipelinePut / onePut).toFixed(1),
    ];
  });
}

async function measured(
  name: ClientName,
  endpoints: readonly string[],
  seconds: number,
): Promise<ClientFigures> {
  const isAsync = name === 'python-asyncio';
  const program = join(clientsDirectory, isAsync ? 'python' : name, 'run', 'bench');
  const args = [endpoints.join(','), String(seconds), ...(isAsync ? ['--async'] : [])];
  const { stdout } = await promisify(execFile)(program, args, { timeout: limitMs(seconds) });
  return JSON.parse(stdout.trim().split('\n').at(-1) as string) as ClientFigures;
}

function mediansOf(rounds: readonly ClientFigures[]): ClientFigures {
  const names = Object.keys(rounds[0] as ClientFigures) as (keyof ClientFigures)[];
  const numeric = names.filter((name) => typeof rounds[0]?.[name] === 'number');
  const entries = numeric.map((name) => [name, median(rounds.map((each) => each[name] as number))]);
  return Object.fromEntries(entries) as ClientFigures;
}

function whole(figure: number): string {
  return Math.round(figure).toLocaleString('en');
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
