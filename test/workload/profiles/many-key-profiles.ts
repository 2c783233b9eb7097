/** Profiles whose turn is many operations in one call: `batcher` and `streamer`. */

import { itemRequestId } from '../../../src/coordinator/batch.ts';
import type { ClientCalls, Reply } from '../client-calls.ts';
import type { ClientTransport } from '../client-transport.ts';
import { type IntendedRead, type IntendedWrite, writeOptionsMessage } from '../intended-operation.ts';
import type { KnownKey } from '../known-key.ts';
import {
  anotherNode,
  drawBlind,
  drawDurability,
  drawRead,
  drawRequestId,
  drawSloppy,
  drawTimeoutMs,
  drawWrite,
  drawWriteLevel,
  pickKey,
  pickNode,
  withContext,
} from '../operation-draw.ts';
import { retryPauseMs } from '../retry.ts';
import { resolve } from './single-key-profiles.ts';

const itemsMax = 12;
const batchAttemptsMax = 3;

export async function batcherTurn(calls: ClientCalls): Promise<void> {
  const { random } = calls;
  if (await resolveOne(calls)) return;
  const keys = drawKeys(calls);
  if (random.percent(40)) {
    const { known: _, ...options } = drawRead(calls, keys[0] as KnownKey);
    await calls.batchRead(keys, options, pickNode(calls));
    return;
  }
  await writeBatch(calls, keys);
}

/** One request id covers a batch, which may then be sent again as it was. */
async function writeBatch(calls: ClientCalls, keys: readonly KnownKey[]): Promise<void> {
  const { random } = calls;
  const batchId = random.percent(50) ? drawRequestId(calls) : undefined;
  const timeoutMs = drawTimeoutMs(random);
  const level = drawWriteLevel(random);
  const shared = {
    level,
    levelForm: 'named',
    sloppy: drawSloppy(random, level),
    ...drawDurability(calls),
  } as const;
  const ownOptions = keys.map(() => random.percent(15));
  const items = keys.map((known, index): IntendedWrite => {
    const wish = {
      action: random.percent(15) ? 'delete' : 'put',
      causality: random.percent(70) ? withContext(known.latest) : drawBlind(random),
      timeoutMs,
      ...(batchId === undefined ? {} : { requestId: itemRequestId(batchId, index) }),
    } as const;
    const drawn = drawWrite(calls, known, wish);
    return ownOptions[index] === true ? drawn : { ...drawn, ...shared };
  });
  const options = writeOptionsMessage({ ...shared, requestId: batchId });
  let through = pickNode(calls);
  for (let attempt = 1; ; attempt++) {
    const replies = await calls.batchWrite(items, options, ownOptions, timeoutMs, through);
    const failure = replies.find(isFailed);
    const again = batchId !== undefined && attempt < batchAttemptsMax && !calls.stopped;
    if (failure === undefined || !again || random.percent(30)) return;
    await calls.pause(retryPauseMs(calls, failure));
    through = anotherNode(calls, through);
  }
}

function isFailed(reply: Reply): reply is Extract<Reply, { kind: 'failed' }> {
  return reply.kind === 'failed';
}

/** Operations of all kinds on one stream, several at one key among them. */
export async function streamerTurn(calls: ClientCalls): Promise<void> {
  const { random } = calls;
  if (await resolveOne(calls)) return;
  const intended = drawKeys(calls).map((known) => streamed(calls, known));
  const ownTimeouts = intended.map(() => random.percent(40));
  const through: ClientTransport = pickNode(calls);
  await calls.pipeline(intended, ownTimeouts, drawTimeoutMs(random), through);
}

function streamed(calls: ClientCalls, known: KnownKey): IntendedRead | IntendedWrite {
  const { random } = calls;
  const drawn = random.below(100);
  if (drawn < 40) {
    const least = known.latest !== undefined && random.percent(20) ? { minContext: known.latest } : {};
    return drawRead(calls, known, least);
  }
  const requestId = random.percent(30) ? { requestId: drawRequestId(calls) } : {};
  if (drawn < 92) {
    const causality = random.percent(70) ? withContext(known.latest) : drawBlind(random);
    const action = drawn < 82 ? 'put' : 'delete';
    return drawWrite(calls, known, { action, causality, ...requestId });
  }
  return drawWrite(calls, known, {
    action: 'touch',
    causality: { kind: 'found' },
    expiry: { kind: 'never' },
    ...requestId,
  });
}

/** With repetitions, and no more than the client may still do. */
function drawKeys(calls: ClientCalls): KnownKey[] {
  const count = Math.max(1, Math.min(calls.random.between(2, itemsMax), calls.remaining));
  return Array.from({ length: count }, () => pickKey(calls));
}

async function resolveOne(calls: ClientCalls): Promise<boolean> {
  const known = calls.keys.find((key) => key.needsResolving);
  if (known !== undefined) await resolve(calls, known);
  return known !== undefined;
}
