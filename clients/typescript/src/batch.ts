/**
 * Batches: many keys in one call, answered one by one as they come. Items that have no answer when a connection breaks are
 * sent again, alone, through another endpoint.
 */

import { ClientError, Status } from 'nice-grpc';
import { MalformedAnswer } from './answer.ts';
import type { Attempts, StubCall } from './attempts.ts';
import type { Endpoint } from './endpoints.ts';
import type { KindredError } from './error.ts';
import { errorOf, failureOfItem } from './failure.ts';
import type { ItemStatus } from './gen/kindred/v1/types.ts';
import type { CallOptions, Causality, Expiry, Key, WriteOptions } from './options.ts';
import type { ValueLike } from './value.ts';

/** One key of a batch of reads. */
export interface BatchKey {
  readonly bucket: string;
  readonly key: Key;
}

/** One write of a batch. Its own options come before those of the batch. */
export type Mutation =
  | ({ readonly kind: 'put'; readonly value: ValueLike } & BatchKey & Causality & Expiry & WriteOptions)
  | ({ readonly kind: 'delete' } & BatchKey & Causality & WriteOptions);

/** What became of one item: `index` is its place in the batch. */
export type BatchResult<Answer> =
  | { readonly kind: 'ok'; readonly index: number; readonly answer: Answer }
  | { readonly kind: 'failed'; readonly index: number; readonly error: KindredError };

/** One answer of the server's stream; `index` is its place in what was sent. */
interface ItemResponse {
  readonly index: number;
  readonly status: ItemStatus | undefined;
}

/** A batch that is to be carried out. */
interface Batch<Response extends ItemResponse, Answer> {
  readonly isWrite: boolean;
  readonly size: number;
  /** The request id of an item. Undefined for reads. */
  requestId(place: number): Uint8Array | undefined;
  /** Sends the items with these places. */
  send(places: readonly number[], endpoint: Endpoint, call: StubCall): AsyncIterable<Response>;
  /** The answer of a response that has no status. */
  answer(response: Response): Answer | undefined;
}

/** The results, one for each item, in the order in which they come. Throws KindredError for all that have no result. */
export async function* runBatch<Response extends ItemResponse, Answer>(
  batch: Batch<Response, Answer>,
  attempts: Attempts,
  options: CallOptions,
): AsyncGenerator<BatchResult<Answer>, void, undefined> {
  const open = new Set(Array.from({ length: batch.size }, (_, index) => index));
  const arrivals = new Arrivals<BatchResult<Answer>>();
  const left = new AbortController();
  const signal = options.signal === undefined ? left.signal : AbortSignal.any([options.signal, left.signal]);
  const run = attempts.run(
    {
      isWrite: batch.isWrite,
      send: async (endpoint, call, { attempt, isUncertain }) => {
        const places = [...open];
        for await (const response of batch.send(places, endpoint, call)) {
          const { index, status } = response;
          const place = places[index];
          if (place === undefined || !open.delete(place)) continue;
          if (status === undefined) {
            const answer = batch.answer(response);
            if (answer === undefined) throw new MalformedAnswer('an item with neither a status nor a result');
            arrivals.add({ kind: 'ok', index: place, answer });
          } else {
            const error = errorOf(failureOfItem(status, endpoint.address), {
              isWrite: batch.isWrite,
              requestId: batch.requestId(place),
              attempts: attempt,
              isUncertain,
            });
            arrivals.add({ kind: 'failed', index: place, error });
          }
        }
        if (open.size > 0) {
          throw new ClientError(
            '',
            Status.UNAVAILABLE,
            `the stream ended, and ${open.size} items have no answer`,
          );
        }
      },
    },
    { ...options, signal },
  );
  run.then(
    () => arrivals.end(undefined),
    (error: unknown) => arrivals.end({ error }),
  );
  try {
    yield* arrivals.all();
  } finally {
    // The caller may have left the loop early.
    left.abort();
  }
}

/** What has come and was not taken yet. It holds at most the items of one batch. */
class Arrivals<Item> {
  #items: Item[] = [];
  #ended: { readonly failure: { readonly error: unknown } | undefined } | undefined;
  #wake: (() => void) | undefined;

  add(item: Item): void {
    this.#items.push(item);
    this.#wake?.();
  }

  end(failure: { readonly error: unknown } | undefined): void {
    this.#ended = { failure };
    this.#wake?.();
  }

  async *all(): AsyncGenerator<Item, void, undefined> {
    for (;;) {
      const items = this.#items;
      this.#items = [];
      yield* items;
      if (this.#items.length > 0) continue;
      if (this.#ended !== undefined) {
        if (this.#ended.failure !== undefined) throw this.#ended.failure.error;
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
