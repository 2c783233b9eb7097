/** The recipes of docs/clients/generate.md that this machine can run: bare stubs in languages that have no client here. */

import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RealCluster } from '../../test/support/real-cluster.ts';
import { root, runCommand } from '../../tools/command.ts';

/** What a recipe's script exits with where a tool that it needs is not installed. */
const toolMissing = 3;
/** A C++ compiler takes half a minute for generated code, on a machine that does nothing else. */
const withinMs = 580_000;

let cluster: RealCluster;

beforeAll(async () => {
  cluster = await RealCluster.start({ nodes: 1, engine: 'memory' });
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

test.for([
  ['cpp', 'STATE_CONFLICT', 'STATE_FOUND', 'ERROR_REASON_CONTEXT_INVALID'],
  ['ruby', 'STATE_CONFLICT', 'STATE_FOUND', 'ERROR_REASON_CONTEXT_INVALID'],
] as const)('%s', async ([recipe, conflict, found, reason], { skip }) => {
  const address = `127.0.0.1:${cluster.nodes[0]?.ports.client}`;
  const script = join(root, 'clients/recipes', recipe, 'run');
  const { exitCode, output } = await runCommand(script, [address], { timeoutMs: withinMs });
  if (exitCode === toolMissing && process.env['CONFORMANCE_CLIENTS'] !== 'all') {
    process.stderr.write(`recipe left out ${recipe}: ${output}`);
    skip(output);
  }
  expect(output).toBe(
    [
      'versions held: 2',
      `${conflict}: milk, eggs | milk, bread`,
      `${found}: milk, eggs, bread`,
      `refused: ${reason}\n`,
    ].join('\n'),
  );
  expect(exitCode).toBe(0);
});
