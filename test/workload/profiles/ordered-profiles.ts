/** Profiles that promise themselves an order: `register` (one writer a key, at QUORUM) and `session` (`min_context`). */

import type { ClientCalls } from '../client-calls.ts';
import type { IntendedWrite } from '../intended-operation.ts';
import type { KnownKey } from '../known-key.ts';
import {
  drawRead,
  drawRequestId,
  drawWrite,
  pickKey,
  pickNode,
  weighted,
  withContext,
} from '../operation-draw.ts';
import { orElseAtAny, writePersistently } from '../retry.ts';

/**
 * The only writer of its keys, with contexts, all at QUORUM. Reads run beside its writes, through other nodes, so that there
 * is an order to be found. After an outcome that it could not tell it reads before it writes again.
 */
export async function registerTurn(calls: ClientCalls): Promise<void> {
  const { random } = calls;
  const known = pickKey(calls);
  if (known.latest === undefined || random.percent(35)) {
    await readBeside(calls, known, random.between(1, 2));
    return;
  }
  const intended = drawWrite(calls, known, {
    causality: withContext(known.latest),
    level: 'quorum',
    ...(random.percent(50) ? { requestId: drawRequestId(calls) } : {}),
  });
  const [reply] = await Promise.all([
    writePersistently(calls, intended),
    readBeside(
      calls,
      known,
      weighted(random, [
        [0, 50],
        [1, 30],
        [2, 20],
      ]),
    ),
  ]);
  if (reply.kind === 'failed') {
    const read = drawRead(calls, known, { level: 'quorum', timeoutMs: 5_000 });
    await calls.read(read, pickNode(calls));
  }
}

/** Quorum reads at about the same time. */
async function readBeside(calls: ClientCalls, known: KnownKey, count: number): Promise<void> {
  const reads: Promise<unknown>[] = [];
  for (let i = 0; i < count; i++) {
    if (i > 0 || count > 1) await calls.pause(calls.random.below(12));
    reads.push(calls.read(drawRead(calls, known, { level: 'quorum' }), pickNode(calls)));
  }
  await Promise.all(reads);
}

/**
 * Weak levels, and every read must include what this client has seen: read your writes, monotonic reads, writes follow
 * reads. Every write has the context of the answer before it, so that what it has seen only grows.
 */
export async function sessionTurn(calls: ClientCalls): Promise<void> {
  const { random } = calls;
  const known = pickKey(calls);
  const minContext = known.latest;
  const level = weighted(random, [
    ['one', 75],
    ['two', 15],
    ['quorum', 10],
  ] as const);
  if (minContext === undefined || random.percent(55)) {
    await calls.read(drawRead(calls, known, { level, ...(minContext && { minContext }) }), pickNode(calls));
    return;
  }
  const write = drawWrite(calls, known, {
    action: random.percent(12) ? 'delete' : 'put',
    causality: withContext(minContext),
    level: weighted(random, [
      ['one', 50],
      ['any', 20],
      ['two', 20],
      ['quorum', 10],
    ] as const),
    ...(random.percent(25) ? { requestId: drawRequestId(calls) } : {}),
  });
  const through = pickNode(calls);
  const first = await writePersistently(calls, write, through);
  const { action, causality } = write;
  const atAny = (): IntendedWrite => drawWrite(calls, known, { action, causality, level: 'any' });
  const reply = await orElseAtAny(calls, first, atAny, through);
  if (reply.kind === 'failed' || random.percent(40)) return;
  // At once, before the other replicas have it.
  const read = drawRead(calls, known, { level: 'one', minContext: reply.context });
  await calls.read(read, pickNode(calls));
}
