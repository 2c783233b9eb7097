/** `mixed`: a little of all, and what no well-behaved client does. */

import type { ClientCalls } from '../client-calls.ts';
import { drawRead, drawWrite, pickKey, pickNode, weighted } from '../operation-draw.ts';
import { batcherTurn, streamerTurn } from './many-key-profiles.ts';
import {
  blindTurn,
  deleterTurn,
  expirerTurn,
  mergerTurn,
  retrierTurn,
  type Turn,
} from './single-key-profiles.ts';

const turns: readonly (readonly [Turn, number])[] = [
  [mergerTurn, 26],
  [blindTurn, 16],
  [retrierTurn, 16],
  [deleterTurn, 12],
  [expirerTurn, 10],
  [batcherTurn, 6],
  [streamerTurn, 6],
  [badContextTurn, 5],
  [oneVersionTurn, 3],
];

export async function mixedTurn(calls: ClientCalls): Promise<void> {
  await weighted(calls.random, turns)(calls);
}

/** Sends the context of another key, or a damaged one: it must be refused, or values vanish that nobody has seen. */
async function badContextTurn(calls: ClientCalls): Promise<void> {
  const { random } = calls;
  const known = pickKey(calls);
  const others = calls.keys.filter((key) => key !== known && key.latest !== undefined);
  const own = known.latest?.token;
  let token: Uint8Array;
  if (others.length > 0 && random.percent(70)) {
    token = random.pick(others).latest?.token as Uint8Array;
  } else if (own !== undefined) {
    token = Uint8Array.from(own);
    const at = random.below(token.length);
    token[at] = (token[at] as number) ^ (1 << random.below(8));
  } else {
    await calls.read(drawRead(calls, known), pickNode(calls));
    return;
  }
  if (random.percent(25)) {
    await calls.read(drawRead(calls, known, { badContext: token }), pickNode(calls));
    return;
  }
  const action = weighted(random, [
    ['put', 60],
    ['delete', 25],
    ['touch', 15],
  ] as const);
  const write = drawWrite(calls, known, {
    action,
    causality: { kind: 'bad-context', token },
    ...(action === 'touch' ? { expiry: { kind: 'never' } } : {}),
  });
  await calls.write(write, pickNode(calls));
}

/** A reader that cannot take siblings: it is told the context, and writes over them. */
async function oneVersionTurn(calls: ClientCalls): Promise<void> {
  const known = pickKey(calls);
  const reply = await calls.read(drawRead(calls, known, { failsOnConflict: true }), pickNode(calls));
  const token = reply.kind === 'failed' ? reply.detail?.context : undefined;
  if (token === undefined || token.length === 0) return;
  const context = calls.recorder.open(known.name, token);
  await calls.write(drawWrite(calls, known, { causality: { kind: 'context', context } }), pickNode(calls));
}
