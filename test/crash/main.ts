/**
 * `npm run crash`: the fault tests of real processes in the sizes that take minutes. The same code runs small in the tests.
 *
 *     node test/crash/main.ts [kill] [flip] [--engine lsm,btree] [--rounds 20] [--flips 200] [--seed 1]
 *
 * Ends with exit code 1 when an acknowledged write is lost, an error was untrue, or damaged bytes were served.
 */

import { parseArgs } from 'node:util';
import { runFlipRounds } from './flip-rounds.ts';
import { runKillRounds } from './kill-rounds.ts';

type Engine = 'lsm' | 'btree';

process.exitCode = await main();

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      engine: { type: 'string', default: 'lsm,btree' },
      rounds: { type: 'string', default: '20' },
      flips: { type: 'string', default: '200' },
      seed: { type: 'string', default: '1' },
    },
  });
  const engines = values.engine.split(',');
  const kinds = positionals.length === 0 ? ['kill', 'flip'] : positionals;
  const [rounds, flips, seed] = [Number(values.rounds), Number(values.flips), Number(values.seed)];
  const unknown = [
    ...engines.filter((engine) => !/^(lsm|btree)$/.test(engine)),
    ...kinds.filter((kind) => !/^(kill|flip)$/.test(kind)),
    ...[rounds, flips, seed].filter((number) => !Number.isSafeInteger(number) || number < 1).map(String),
  ];
  if (unknown.length > 0) {
    console.error(`not understood: ${unknown.join(', ')}`);
    return 2;
  }
  let wrong = 0;
  for (const engine of engines as Engine[]) {
    if (kinds.includes('kill')) wrong += await kill(engine, rounds, seed);
    if (kinds.includes('flip')) wrong += await flip(engine, flips, seed);
  }
  return wrong === 0 ? 0 : 1;
}

async function kill(engine: Engine, rounds: number, seed: number): Promise<number> {
  const options = { engine, rounds, seed, acknowledged: 300, onRound: (line: string) => console.log(line) };
  const result = await runKillRounds(options);
  console.log(
    `${engine}, seed ${seed}: ${rounds} rounds of kill -9 of one node and then of all in ${result.seconds.toFixed(0)} s: ` +
      `${result.acknowledged} writes acknowledged, ${result.unknown} unknown, ${result.notApplied} not applied, ` +
      `${result.wrong.length} wrong`,
  );
  for (const sentence of result.wrong) console.log(`  WRONG: ${sentence}`);
  return result.wrong.length;
}

async function flip(engine: Engine, flips: number, seed: number): Promise<number> {
  const options = { engine, flips, seed, batchMax: 8, onBatch: (line: string) => console.log(line) };
  const result = await runFlipRounds(options);
  console.log(
    `${engine}, seed ${seed}: ${result.flips} flipped bits in ${result.starts} starts in ${result.seconds.toFixed(0)} s: ` +
      `${result.refused} starts refused, ${result.tailDropped} with a lost tail, ${result.sound} as if nothing was; ` +
      `records seen damaged ${result.damaged}, absent ${result.absent}, older ${result.older}; ${result.wrong.length} wrong`,
  );
  for (const sentence of result.wrong) console.log(`  WRONG: ${sentence}`);
  return result.wrong.length;
}
