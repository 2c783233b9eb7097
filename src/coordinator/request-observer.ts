/** What the client-facing services tell of each operation, and its implementation by the node's metrics. */

import { type ErrorReason, type ItemStatus, WriteOutcome } from '../gen/kindred/v1/types.ts';
import type { Metrics, RequestSeries } from '../observe/metrics.ts';
import { codeText, reasonText } from '../rpc/status.ts';

export interface RequestObserver {
  /** `bucket` and `level` are empty when the request did not come so far as to have one. */
  answered(method: string, bucket: string, level: string, seconds: number): void;
  failed(method: string, bucket: string, level: string, item: ItemStatus, seconds: number): void;
  /** A call that ended at the door: refused, or not a message. */
  refused(method: string, code: number, reason: ErrorReason): void;
  /** Versions in the answer of a read. */
  siblings(count: number): void;
  /** The size of a value that was written. */
  valueBytes(bytes: number): void;
  /** A write whose request id was known already. */
  replayed(): void;
}

/** Counts into the node's metrics. Series are kept: looking one up by three labels for each request costs more than the counting. */
export class MetricsObserver implements RequestObserver {
  readonly #metrics: Metrics;
  readonly #series = new Map<string, Map<string, Map<string, RequestSeries>>>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  answered(method: string, bucket: string, level: string, seconds: number): void {
    this.#seriesOf(method, bucket, level).done('OK', '', seconds);
  }

  failed(method: string, bucket: string, level: string, item: ItemStatus, seconds: number): void {
    const reason = reasonText(item.detail?.reason ?? 0);
    this.#seriesOf(method, bucket, level).done(codeText(item.code), reason, seconds);
    if (item.detail?.writeOutcome === WriteOutcome.WRITE_OUTCOME_UNKNOWN) {
      this.#metrics.writeOutcomeUnknown.add();
    }
  }

  refused(method: string, code: number, reason: ErrorReason): void {
    const text = reasonText(reason);
    this.#seriesOf(method, '', '').done(codeText(code), text, 0);
    this.#metrics.shed(text).add();
  }

  siblings(count: number): void {
    this.#metrics.siblingsPerRead.observe(count);
  }

  valueBytes(bytes: number): void {
    this.#metrics.valueBytes.observe(bytes);
  }

  replayed(): void {
    this.#metrics.replayedWrites.add();
  }

  /** Bounded: methods, configured buckets and levels are all few. */
  #seriesOf(method: string, bucket: string, level: string): RequestSeries {
    let buckets = this.#series.get(method);
    if (buckets === undefined) {
      buckets = new Map();
      this.#series.set(method, buckets);
    }
    let levels = buckets.get(bucket);
    if (levels === undefined) {
      levels = new Map();
      buckets.set(bucket, levels);
    }
    let series = levels.get(level);
    if (series === undefined) {
      series = this.#metrics.requests(method, bucket, level);
      levels.set(level, series);
    }
    return series;
  }
}
