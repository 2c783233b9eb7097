/** A quick load against a running cluster: a fixed number of operations in flight, for a fixed time, measured at the client. */

import { randomBytes } from 'node:crypto';
import {
  type GetRequest,
  type Operation,
  type OperationResult,
  type PipelineRequest,
  PutRequest,
} from '../gen/kindred/v1/kv.ts';
import { Key, type ReadOptions, Value, type WriteOptions } from '../gen/kindred/v1/types.ts';
import type { ClusterClient, Services } from './client.ts';
import { CallFailure, itemFailure } from './failure.ts';

/** What to send. */
export interface LoadPlan {
  readonly operation: 'put' | 'get';
  readonly durationMs: number;
  /** Operations in flight, over all endpoints together. */
  readonly concurrency: number;
  readonly keys: number;
  readonly valueBytes: number;
  readonly bucket: string;
  readonly readOptions: ReadOptions;
  readonly writeOptions: WriteOptions;
  /** Through one Pipeline stream per endpoint instead of one call per operation. */
  readonly pipeline: boolean;
}

/** What came of it. */
export interface LoadResult {
  readonly operation: 'put' | 'get';
  readonly operations: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly latencyMs: {
    readonly p50: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
  };
  /** By code and reason: `UNAVAILABLE NOT_ENOUGH_REPLICAS`. */
  readonly failures: Readonly<Record<string, number>>;
}

/** Latencies as counts per 0.1 % wide class, so that a long run takes no memory. */
export class LatencyHistogram {
  private readonly counts = new Map<number, number>();
  private total = 0;
  maxMs = 0;

  add(ms: number): void {
    const index = Math.ceil(Math.log(Math.max(ms, MIN_MS) / MIN_MS) / CLASS_LOG);
    this.counts.set(index, (this.counts.get(index) ?? 0) + 1);
    this.total++;
    if (ms > this.maxMs) this.maxMs = ms;
  }

  get count(): number {
    return this.total;
  }

  /** The latency that `fraction` of all did not exceed; 0 without any. */
  quantileMs(fraction: number): number {
    let left = Math.ceil(this.total * fraction);
    for (const index of [...this.counts.keys()].sort((a, b) => a - b)) {
      left -= this.counts.get(index) as number;
      if (left <= 0) return Math.min(MIN_MS * Math.exp(index * CLASS_LOG), this.maxMs);
    }
    return 0;
  }
}

const MIN_MS = 0.001;
const CLASS_LOG = Math.log(1.001);
/** How long answers may still come after the last operation was sent. */
const TAIL_MS = 15_000;

/** Sends the load and measures. Rejects with CallFailure only when not one operation succeeded. */
export async function runLoad(client: ClusterClient, plan: LoadPlan): Promise<LoadResult> {
  const latencies = new LatencyHistogram();
  const failures = new Map<string, number>();
  let firstFailure: CallFailure | undefined;
  const onFailure = (failure: CallFailure): void => {
    firstFailure ??= failure;
    const name = [failure.code, failure.reason].filter(Boolean).join(' ');
    failures.set(name, (failures.get(name) ?? 0) + 1);
  };
  const run: LoadRun = { plan, latencies, onFailure, endsAt: performance.now() + plan.durationMs };
  const started = performance.now();
  const perEndpoint = Math.max(1, Math.floor(plan.concurrency / client.endpoints.length));
  await Promise.all(
    client.endpoints.map((endpoint) =>
      plan.pipeline
        ? pipelineLoad(run, client.services(endpoint), perEndpoint)
        : Promise.all(Array.from({ length: perEndpoint }, () => unaryLoad(run, client))),
    ),
  );
  if (latencies.count === 0 && firstFailure !== undefined) throw firstFailure;
  const seconds = (performance.now() - started) / 1000;
  return {
    operation: plan.operation,
    operations: latencies.count,
    seconds,
    perSecond: latencies.count / seconds,
    latencyMs: {
      p50: latencies.quantileMs(0.5),
      p99: latencies.quantileMs(0.99),
      p999: latencies.quantileMs(0.999),
      max: latencies.maxMs,
    },
    failures: Object.fromEntries(failures),
  };
}

interface LoadRun {
  readonly plan: LoadPlan;
  readonly latencies: LatencyHistogram;
  readonly onFailure: (failure: CallFailure) => void;
  readonly endsAt: number;
}

/** After a failure a lane rests this long, so that a cluster that refuses is not asked a million times. */
const REST_MS = 10;

/** One lane: one call after the other. Each goes to a random endpoint. */
async function unaryLoad(
  { plan, latencies, onFailure, endsAt }: LoadRun,
  client: ClusterClient,
): Promise<void> {
  while (performance.now() < endsAt) {
    const start = performance.now();
    const endpoint = client.endpoints[Math.floor(Math.random() * client.endpoints.length)] as string;
    try {
      if (plan.operation === 'put') {
        await client.at(endpoint, true, ({ keyValue }, call) => keyValue.put(putOf(plan), call));
      } else await client.at(endpoint, false, ({ keyValue }, call) => keyValue.get(getOf(plan), call));
      latencies.add(performance.now() - start);
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      onFailure(error);
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
    }
  }
}

/** One stream with `inFlight` operations always on their way; as many per message as have been answered. */
async function pipelineLoad(run: LoadRun, services: Services, inFlight: number): Promise<void> {
  const { plan, latencies, onFailure, endsAt } = run;
  const startedAt = new Map<number, number>();
  const giveUp = AbortSignal.timeout(plan.durationMs + TAIL_MS);
  let wake: () => void = () => {};
  let nextId = 1;

  async function* requests(): AsyncGenerator<PipelineRequest> {
    while (performance.now() < endsAt) {
      const operations: Operation[] = [];
      while (startedAt.size < inFlight) {
        const id = nextId++;
        startedAt.set(id, performance.now());
        operations.push({ id, op: operationOf(plan), timeout: undefined });
      }
      if (operations.length > 0) yield { operations };
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
          setTimeout(resolve, Math.max(0, endsAt - performance.now()));
        });
      }
    }
  }

  const settle = (result: OperationResult): void => {
    const start = startedAt.get(result.id);
    startedAt.delete(result.id);
    if (result.status !== undefined && result.status.code !== 0)
      onFailure(itemFailure(result.status, services.endpoint));
    else if (start !== undefined) latencies.add(performance.now() - start);
  };
  try {
    for await (const response of services.keyValue.pipeline(requests(), { signal: giveUp })) {
      for (const result of response.results) settle(result);
      wake();
    }
  } catch (error) {
    const lost = startedAt.size;
    const fields = {
      code: 'ABORTED',
      reason: 'STREAM',
      outcome: 'unknown',
      endpoint: services.endpoint,
    } as const;
    const failure = new CallFailure({ ...fields, message: (error as Error).message }, { cause: error });
    for (let index = 0; index < Math.max(lost, 1); index++) onFailure(failure);
  }
}

function operationOf(plan: LoadPlan): Operation['op'] {
  return plan.operation === 'put'
    ? { $case: 'put', value: putOf(plan) }
    : { $case: 'get', value: getOf(plan) };
}

function putOf(plan: LoadPlan): PutRequest {
  return PutRequest.create({
    key: keyOf(plan),
    value: Value.create({ data: randomBytes(plan.valueBytes) }),
    options: plan.writeOptions,
  });
}

function getOf(plan: LoadPlan): GetRequest {
  return { key: keyOf(plan), options: plan.readOptions };
}

function keyOf(plan: LoadPlan): Key {
  const key = new TextEncoder().encode(`bench-${Math.floor(Math.random() * plan.keys)}`);
  return Key.create({ bucket: plan.bucket, key });
}
