/** Profiles whose turn is one key, and one or two operations: `merger`, `blind`, `retrier`, `deleter`, `expirer`. */

import type { ClientCalls, Reply } from '../client-calls.ts';
import type { HeldContext } from '../history-recorder.ts';
import type { IntendedExpiry, IntendedWrite } from '../intended-operation.ts';
import type { KnownKey } from '../known-key.ts';
import {
  drawBlind,
  drawRead,
  drawRequestId,
  drawWrite,
  pickKey,
  pickNode,
  withContext,
} from '../operation-draw.ts';
import { isNotApplied, mayPass, orElseAtAny, retryPauseMs, writePersistently, writeTwice } from '../retry.ts';

/** One turn of a client. */
export type Turn = (calls: ClientCalls) => Promise<void>;

/** Reads what is there and puts one value over all of it. */
export async function resolve(calls: ClientCalls, known: KnownKey): Promise<void> {
  const read = await calls.read(
    drawRead(calls, known, { level: 'quorum', timeoutMs: 2_000 }),
    pickNode(calls),
  );
  if (read.kind === 'failed') return;
  const put = drawWrite(calls, known, {
    causality: { kind: 'context', context: read.context },
    level: 'quorum',
    timeoutMs: 2_000,
  });
  await calls.write(put, pickNode(calls));
}

/** Reads, then writes with the context; now and then with one that is behind. */
export async function mergerTurn(calls: ClientCalls): Promise<void> {
  const { random } = calls;
  const known = pickKey(calls);
  const read = await calls.read(drawRead(calls, known), pickNode(calls));
  if (random.percent(25)) return;
  const behind = random.percent(12) && known.earlier.length > 0 ? random.pick(known.earlier) : undefined;
  const context = behind ?? (read.kind === 'done' ? read.context : known.latest);
  // Somebody thinks about what was read.
  if (random.percent(30)) await calls.pause(random.between(1, 40));
  const again = await writeAnew(calls, known, context);
  // What the answer covers is what this writer goes on from.
  if (again.kind === 'done' && random.percent(25)) {
    await calls.write(drawWrite(calls, known, { causality: withContext(again.context) }), pickNode(calls));
  }
}

/** A put without request id: after a refusal that passes it is written once more, as another write. */
async function writeAnew(
  calls: ClientCalls,
  known: KnownKey,
  context: HeldContext | undefined,
): Promise<Reply> {
  const through = pickNode(calls);
  const causality = withContext(context);
  const first = await calls.write(drawWrite(calls, known, { causality }), through);
  const atAny = (): IntendedWrite => drawWrite(calls, known, { causality, level: 'any' });
  const reply = await orElseAtAny(calls, first, atAny, through);
  if (reply.kind === 'done' || !isNotApplied(reply) || !mayPass(reply) || calls.random.percent(50))
    return reply;
  await calls.pause(retryPauseMs(calls, reply));
  return calls.write(drawWrite(calls, known, { causality }), pickNode(calls));
}

/** Only looks. */
export async function readerTurn(calls: ClientCalls): Promise<void> {
  await calls.read(drawRead(calls, pickKey(calls)), pickNode(calls));
}

/** Writes without having read, and reads at times. */
export async function blindTurn(calls: ClientCalls): Promise<void> {
  const { random } = calls;
  const known = pickKey(calls);
  if (known.needsResolving) return resolve(calls, known);
  if (random.percent(25)) {
    await calls.read(drawRead(calls, known), pickNode(calls));
    return;
  }
  const put = drawWrite(calls, known, {
    causality: drawBlind(random),
    ...(random.percent(20) ? { requestId: drawRequestId(calls) } : {}),
  });
  const through = pickNode(calls);
  const first = await calls.write(put, through);
  const { causality } = put;
  const atAny = (): IntendedWrite => drawWrite(calls, known, { causality, level: 'any' });
  const reply = await orElseAtAny(calls, first, atAny, through);
  // KEY_EXISTS and the like come with the context of what is there: to put over it needs no read.
  const token = reply.kind === 'failed' ? reply.detail?.context : undefined;
  if (token === undefined || token.length === 0 || random.percent(50)) return;
  const context = calls.recorder.open(known.name, token);
  await calls.write(drawWrite(calls, known, { causality: withContext(context) }), pickNode(calls));
}

/** Every write has a request id and is sent until it is done, or to two nodes from the start. */
export async function retrierTurn(calls: ClientCalls): Promise<void> {
  const { random } = calls;
  const known = pickKey(calls);
  if (known.needsResolving) return resolve(calls, known);
  if (known.latest === undefined || random.percent(25)) {
    await calls.read(drawRead(calls, known), pickNode(calls));
    return;
  }
  const drawn = random.below(100);
  const wish = { requestId: drawRequestId(calls) };
  const causality = random.percent(75) ? withContext(known.latest) : drawBlind(random);
  const intended =
    drawn < 80
      ? drawWrite(calls, known, { ...wish, causality })
      : drawn < 92
        ? drawWrite(calls, known, { ...wish, causality, action: 'delete' })
        : drawWrite(calls, known, {
            ...wish,
            action: 'touch',
            causality: random.percent(70) ? withContext(known.latest) : { kind: 'found' },
            expiry: { kind: 'never' },
          });
  if (random.percent(30)) await writeTwice(calls, intended);
  else await writePersistently(calls, intended);
}

/** Deletes, and creates again. */
export async function deleterTurn(calls: ClientCalls): Promise<void> {
  const { random } = calls;
  const known = pickKey(calls);
  if (known.needsResolving) return resolve(calls, known);
  const drawn = random.below(100);
  if (known.latest === undefined || drawn < 25) {
    await calls.read(drawRead(calls, known), pickNode(calls));
    return;
  }
  const requestId = random.percent(30) ? { requestId: drawRequestId(calls) } : {};
  const causality = random.percent(80) ? withContext(known.latest) : drawBlind(random);
  if (drawn < 60) {
    const put = drawWrite(calls, known, { causality, ...requestId });
    await writePersistently(calls, put);
    return;
  }
  const deletion = drawWrite(calls, known, { action: 'delete', causality, ...requestId });
  const reply = await writePersistently(calls, deletion);
  if (random.percent(35)) await calls.read(drawRead(calls, known), pickNode(calls));
  if (reply.kind === 'failed' || random.percent(50)) return;
  // The re-creation goes over the deletion that it knows of.
  const again = drawWrite(calls, known, { causality: { kind: 'context', context: reply.context } });
  await calls.write(again, pickNode(calls));
}

/** Puts with a lifetime, lengthens and shortens it, and reads about when it ends. */
export async function expirerTurn(calls: ClientCalls): Promise<void> {
  const { random } = calls;
  const known = pickKey(calls);
  if (known.needsResolving) return resolve(calls, known);
  const drawn = random.below(100);
  if (known.latest === undefined || drawn < 30) {
    await calls.read(drawRead(calls, known), pickNode(calls));
    return;
  }
  const requestId = random.percent(30) ? { requestId: drawRequestId(calls) } : {};
  if (drawn < 65) {
    const expiry: IntendedExpiry | undefined = random.percent(85) ? drawTtl(calls) : undefined;
    const put = drawWrite(calls, known, {
      causality: withContext(known.latest),
      ...(expiry === undefined ? {} : { expiry }),
      ...requestId,
    });
    const reply = await writePersistently(calls, put);
    if (reply.kind === 'failed' || expiry?.kind !== 'ttl' || expiry.ms > 2_000 || random.percent(40)) return;
    await calls.pause(Math.max(1, expiry.ms + random.between(-30, 60)));
    await calls.read(drawRead(calls, known), pickNode(calls));
    return;
  }
  const touch = drawWrite(calls, known, {
    action: 'touch',
    causality: random.percent(75) ? withContext(known.latest) : { kind: 'found' },
    expiry: random.percent(20) ? { kind: 'never' } : drawTtl(calls),
    ...requestId,
  });
  await writePersistently(calls, touch);
}

function drawTtl({ random }: ClientCalls): IntendedExpiry {
  const ms = random.percent(50) ? random.between(20, 1_500) : random.between(1_500, 60_000);
  return { kind: 'ttl', ms };
}
