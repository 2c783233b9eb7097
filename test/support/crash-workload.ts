/**
 * Writers whose every write is accounted for, and the check of what is left: nothing acknowledged is lost, nothing that was
 * reported as not applied is ever read.
 *
 * Each writer owns its keys and writes 1, 2, 3, ... to each of them, with the context of the last answer. So a value in an
 * answer stands for all smaller ones that were acknowledged before it was sent.
 */

import { ClientError, Status as GrpcStatus } from 'nice-grpc';
import {
  ConsistencyLevel,
  Durability,
  type ErrorDetail,
  WriteOutcome,
} from '../../src/gen/kindred/v1/types.ts';
import { detailsTrailer, errorDetailOf } from '../../src/rpc/status.ts';
import type { RealNode } from './real-cluster.ts';

export interface WorkloadOptions {
  readonly writers: number;
  readonly keysPerWriter: number;
  readonly durability?: Durability;
  /** Default QUORUM. */
  readonly consistency?: ConsistencyLevel;
  /** Values are filled up to this. Default: as short as possible. */
  readonly valueBytes?: number;
  /** Before the names of the keys, to tell two workloads on one cluster apart. */
  readonly prefix?: string;
}

interface KeyHistory {
  readonly key: Uint8Array;
  next: number;
  /** Greatest value that was acknowledged. 0: none. */
  acknowledged: number;
  readonly notApplied: Set<number>;
  context: Uint8Array;
}

export interface WorkloadCounts {
  acknowledged: number;
  notApplied: number;
  unknown: number;
}

const timeoutMs = 3_000;
const readsAtOnce = 16;
const quorum = ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM;

export class CrashWorkload {
  readonly counts: WorkloadCounts = { acknowledged: 0, notApplied: 0, unknown: 0 };
  /** Reports that contradict the contract: UNAVAILABLE for what may have been applied, a missing detail, and so on. */
  readonly untruths: string[] = [];
  readonly #nodes: readonly RealNode[];
  readonly #options: WorkloadOptions;
  readonly #histories: KeyHistory[] = [];
  /** Of each node: acknowledgements of writes that were sent through it after the last `mark`. */
  readonly #sinceMark = new Map<string, number>();
  #mark = 0;
  #stopping = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(nodes: readonly RealNode[], options: WorkloadOptions) {
    this.#nodes = nodes;
    this.#options = options;
    for (let writer = 0; writer < options.writers; writer++) {
      for (let index = 0; index < options.keysPerWriter; index++) {
        this.#histories.push({
          key: Buffer.from(`${options.prefix ?? ''}writer-${writer}/key-${index}`),
          next: 1,
          acknowledged: 0,
          notApplied: new Set(),
          context: new Uint8Array(),
        });
      }
    }
  }

  start(): void {
    this.#stopping = false;
    const { writers, keysPerWriter } = this.#options;
    this.#running = Promise.all(
      Array.from({ length: writers }, async (_, writer) => {
        for (let turn = 0; !this.#stopping; turn++) {
          const history = this.#histories[writer * keysPerWriter + (turn % keysPerWriter)] as KeyHistory;
          // Through any node, alive or not: a client with a list of addresses.
          await this.#write(this.#nodes[(writer + turn) % this.#nodes.length] as RealNode, history);
        }
      }),
    );
  }

  /** Ends the writers after the write that each is at. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  /** From now on `acknowledgedThrough` counts writes that are sent from now on. */
  mark(): void {
    this.#mark++;
    this.#sinceMark.clear();
  }

  /** How many writes were acknowledged that were sent through the node after the last `mark`. */
  acknowledgedThrough(node: RealNode): number {
    return this.#sinceMark.get(node.id) ?? 0;
  }

  /** Reads every key at the level through `node`. Returns what is wrong, a sentence each. */
  async check(node: RealNode, level: ConsistencyLevel): Promise<readonly string[]> {
    const wrong: string[] = [...this.untruths];
    for (let from = 0; from < this.#histories.length; from += readsAtOnce) {
      const some = this.#histories.slice(from, from + readsAtOnce);
      wrong.push(...(await Promise.all(some.map((history) => wrongWith(history, node, level)))).flat());
    }
    return wrong;
  }

  async #write(node: RealNode, history: KeyHistory): Promise<void> {
    const value = history.next++;
    const mark = this.#mark;
    const { durability, valueBytes = 0 } = this.#options;
    let detail: ErrorDetail | undefined;
    try {
      const response = await node.keyValue.put(
        {
          key: { bucket: '', key: history.key },
          value: { data: Buffer.from(`${value} `.padEnd(valueBytes, '.')), contentType: '', metadata: {} },
          causality: history.context.length > 0 ? { $case: 'context', value: history.context } : undefined,
          options: {
            strength: { $case: 'consistency', value: this.#options.consistency ?? quorum },
            durability: durability ?? Durability.DURABILITY_UNSPECIFIED,
          },
        },
        {
          signal: AbortSignal.timeout(timeoutMs),
          onTrailer: (trailer) => {
            detail = errorDetailOf(trailer.get(detailsTrailer) as Uint8Array | undefined);
          },
        },
      );
      history.acknowledged = value;
      history.context = response.context;
      this.counts.acknowledged++;
      if (mark === this.#mark) this.#sinceMark.set(node.id, (this.#sinceMark.get(node.id) ?? 0) + 1);
    } catch (error) {
      this.#failed(error, detail, history, value);
    }
  }

  #failed(error: unknown, detail: ErrorDetail | undefined, history: KeyHistory, value: number): void {
    // Without a detail the failure is our own time-out or the client library's: it broke before or after the request left.
    if (!(error instanceof ClientError) || detail === undefined) {
      this.counts.unknown++;
      return;
    }
    if (detail.writeOutcome === WriteOutcome.WRITE_OUTCOME_NOT_APPLIED) {
      history.notApplied.add(value);
      this.counts.notApplied++;
      return;
    }
    this.counts.unknown++;
    if (error.code === GrpcStatus.UNAVAILABLE) {
      this.untruths.push(`UNAVAILABLE for a write that may have been applied: ${error.message}`);
    }
    if (detail.safeToRetry) this.untruths.push(`safe to retry, without a request id: ${error.message}`);
  }
}

async function wrongWith(history: KeyHistory, node: RealNode, level: ConsistencyLevel): Promise<string[]> {
  const wrong: string[] = [];
  const response = await node.keyValue.get(
    { key: { key: history.key }, options: { strength: { $case: 'consistency', value: level } } },
    { signal: AbortSignal.timeout(10_000) },
  );
  const values = response.versions.map((version) =>
    version.body?.$case === 'value'
      ? Number.parseInt(Buffer.from(version.body.value.data).toString(), 10)
      : -1,
  );
  const name = Buffer.from(history.key).toString();
  const greatest = Math.max(0, ...values);
  if (greatest < history.acknowledged) {
    wrong.push(`${name}: ${history.acknowledged} was acknowledged, read ${JSON.stringify(values)}`);
  }
  for (const value of values) {
    if (history.notApplied.has(value))
      wrong.push(`${name}: ${value} was reported as not applied, and was read`);
    if (value >= history.next) wrong.push(`${name}: ${value} was never written`);
  }
  return wrong;
}
