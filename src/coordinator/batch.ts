/** Batches: independent items, a bounded number at a time, each answered as soon as it is done. */

import type { BatchWriteRequest, Mutation } from '../gen/kindred/v1/kv.ts';
import type { WriteOptions } from '../gen/kindred/v1/types.ts';
import { requestIdBytes } from '../rpc/limits.ts';
import type { StreamingCall } from '../rpc/service.ts';

/** Items of one batch that are worked on at once. */
const concurrencyMax = 64;
/** With so many a batch begins; every answer allows one more. How large its answers are is known only by then. */
const concurrencyFirst = 16;

/**
 * Runs `item` for every index below `count` and sends what it resolves with, in the order in which they finish. Waits while
 * the client reads slowly, and starts nothing more once it is gone.
 */
export function runBatch<Answer>(
  call: StreamingCall<Answer>,
  count: number,
  item: (index: number) => Promise<Answer>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let next = 0;
    let running = 0;
    let concurrency = concurrencyFirst;
    let blocked = false;
    const advance = (): void => {
      while (next < count && !call.cancelled && !blocked && running < concurrency) {
        // One at a time goes on in any case.
        if (running > 0 && !call.hasRoomFor(running)) break;
        running++;
        item(next++).then(finished).catch(reject);
      }
      if (running === 0 && !blocked && (next === count || call.cancelled)) resolve();
    };
    const finished = (answer: Answer): void => {
      running--;
      if (concurrency < concurrencyMax) concurrency++;
      const room = call.send(answer);
      if (room !== undefined && !blocked) {
        blocked = true;
        room.then(() => {
          blocked = false;
          advance();
        }, reject);
      }
      advance();
    };
    advance();
  });
}

/**
 * The request id of a batch's item: the batch's id with the index (32 bits, most significant byte first) XORed into its
 * last four bytes. Clients may derive it likewise to ask for the outcome of one item, so this may never change.
 */
export function itemRequestId(batchId: Uint8Array, index: number): Uint8Array {
  const id = new Uint8Array(batchId);
  const at = requestIdBytes - 4;
  for (let i = 0; i < 4; i++) id[at + i] = (id[at + i] as number) ^ ((index >>> (24 - 8 * i)) & 0xff);
  return id;
}

/** A mutation with the options it gets from its batch. */
export function mutationOf(batch: BatchWriteRequest, index: number): Mutation['op'] {
  const op = (batch.mutations[index] as Mutation).op;
  if (op === undefined || batch.options === undefined) return op;
  const options = itemOptions(op.value.options, batch.options, index);
  if (op.$case === 'put') return { $case: 'put', value: { ...op.value, options } };
  return { $case: 'delete', value: { ...op.value, options } };
}

function itemOptions(own: WriteOptions | undefined, batch: WriteOptions, index: number): WriteOptions {
  const options = own ?? batch;
  if (batch.requestId.length === 0 || (own !== undefined && own.requestId.length > 0)) return options;
  return { ...options, requestId: itemRequestId(batch.requestId, index) };
}
