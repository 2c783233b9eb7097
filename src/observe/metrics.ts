/**
 * What a node counts, under the names that `docs/operating/metrics.md` lists. One registry per node, so that several
 * nodes in one process do not mix. Counting on the hot path is an addition: take a series once and keep it.
 */

import { collectDefaultMetrics, Registry } from 'prom-client';
import { ClusterMetrics } from './cluster-metrics.ts';
import {
  CounterFamily,
  CounterReading,
  type CounterSeries,
  GaugeReading,
  HistogramFamily,
  type HistogramSeries,
  register,
} from './instruments.ts';

/** The requests of one method, bucket and level. */
export interface RequestSeries {
  /** Counts one answer. `code` is the name of the gRPC code (`OK`), `reason` that of the ErrorDetail (`` when OK). */
  done(code: string, reason: string, seconds: number): void;
}

/** Label values come from requests (bucket names): beyond this many series the rest counts as `other`. */
const SERIES_MAX = 5000;

const LATENCY_SECONDS = [
  0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 5, 10,
];
const SIBLING_COUNTS = [0, 1, 2, 3, 5, 10, 25, 50, 100];
const VALUE_BYTES = [0, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576];

/** All metrics of one node. */
export class Metrics {
  readonly registry: Registry = new Registry();
  /** How the cluster holds together, as this node sees it. */
  readonly cluster: ClusterMetrics = new ClusterMetrics(this.registry);

  /** Versions in the answer of a read. 0: absent, 1: agreed, more: siblings. */
  readonly siblingsPerRead: HistogramSeries;
  /** Size of values as written by clients. */
  readonly valueBytes: HistogramSeries;
  /** Records sent to replicas that a read found behind. */
  readonly readRepairs: CounterSeries;
  /** Reads that asked one replica more because an answer was slow. */
  readonly hedgedReads: CounterSeries;
  /** Writes that ended without a certain outcome. */
  readonly writeOutcomeUnknown: CounterSeries;
  /** Writes whose request id was seen before: nothing new was applied. */
  readonly replayedWrites: CounterSeries;
  /** Stored records that failed their checksum. Each is also logged. */
  readonly damagedRecords: CounterSeries;
  /** Time of one group commit that waited for the disk. */
  readonly walFsyncSeconds: HistogramSeries;

  /** Own records that were read: from memory, from the disk. */
  readonly recordReads: CounterReading;
  readonly recordCacheBytes: GaugeReading;
  /** Hints that a replica has confirmed. */
  readonly hintsReplayed: (target: string) => CounterSeries;
  /** Hints that were dropped, and why: what they stood for is left to anti-entropy. */
  readonly hintsDropped: (target: string, reason: string) => CounterSeries;
  /** Hints waiting, per absent replica. */
  readonly hintsPending: GaugeReading;
  readonly hintsBytes: GaugeReading;
  /** Per peer: 2 up, 1 suspect, 0 failed. */
  readonly nodeState: GaugeReading;
  /** Per peer: its clock minus ours. */
  readonly clockSkewSeconds: GaugeReading;
  /** Requests being worked on, per queue. */
  readonly queueDepth: GaugeReading;
  /** 1 when every member is up and this node's storage works, else 0. */
  readonly clusterHealthy: GaugeReading;

  private readonly requestsTotal: CounterFamily;
  private readonly requestSeconds: HistogramFamily;
  private readonly shedTotal: CounterFamily;
  private readonly manySiblingsTotal: CounterFamily;

  /** With `processMetrics` also memory, CPU, garbage collection and event-loop delay of this process; once per process. */
  constructor(options: { readonly processMetrics: boolean }) {
    const counter = (name: string, help: string, ...labels: string[]): CounterFamily =>
      register(this.registry, new CounterFamily(name, help, labels, SERIES_MAX));
    const histogram = (
      name: string,
      help: string,
      bounds: readonly number[],
      ...labels: string[]
    ): HistogramFamily =>
      register(this.registry, new HistogramFamily(name, help, labels, SERIES_MAX, bounds));
    const gauge = (name: string, help: string, label?: string): GaugeReading =>
      register(this.registry, new GaugeReading(name, help, label));

    this.requestsTotal = counter(
      'kindred_requests_total',
      'Requests answered, by method, bucket, level, gRPC code and error reason.',
      'method',
      'bucket',
      'level',
      'code',
      'reason',
    );
    this.requestSeconds = histogram(
      'kindred_request_seconds',
      'Time from the arrival of a request to its answer.',
      LATENCY_SECONDS,
      'method',
      'bucket',
      'level',
    );
    this.siblingsPerRead = histogram(
      'kindred_siblings_per_read',
      'Versions in the answer of a read.',
      SIBLING_COUNTS,
    ).with();
    this.valueBytes = histogram('kindred_value_bytes', 'Size of values written.', VALUE_BYTES).with();
    this.readRepairs = counter(
      'kindred_read_repairs_total',
      'Records sent to replicas behind a read.',
    ).with();
    this.hedgedReads = counter(
      'kindred_hedged_reads_total',
      'Reads that asked one replica more because an answer was slow.',
    ).with();
    this.writeOutcomeUnknown = counter(
      'kindred_write_outcome_unknown_total',
      'Writes that ended without a certain outcome.',
    ).with();
    this.replayedWrites = counter(
      'kindred_replayed_writes_total',
      'Writes whose request id was seen before: nothing new was applied.',
    ).with();
    this.damagedRecords = counter(
      'kindred_damaged_records_total',
      'Stored records that failed their checksum.',
    ).with();
    this.walFsyncSeconds = histogram(
      'kindred_wal_fsync_seconds',
      'Time of one commit that waited for the disk.',
      LATENCY_SECONDS,
    ).with();
    this.shedTotal = counter(
      'kindred_shed_total',
      'Requests refused to protect the node, by reason.',
      'reason',
    );
    this.manySiblingsTotal = counter(
      'kindred_many_siblings_total',
      'Reads and writes of keys with as many siblings as their bucket warns of.',
      'bucket',
    );
    const hintsReplayed = counter(
      'kindred_hints_replayed_total',
      'Hints that a replica has confirmed.',
      'target',
    );
    this.hintsReplayed = (target) => hintsReplayed.with(target);
    const hintsDropped = counter(
      'kindred_hints_dropped_total',
      'Hints that were dropped: what they stood for is left to anti-entropy.',
      'target',
      'reason',
    );
    this.hintsDropped = (target, reason) => hintsDropped.with(target, reason);
    this.recordReads = register(
      this.registry,
      new CounterReading('kindred_record_reads_total', 'Records read, by where they were found.', 'from'),
    );
    this.recordCacheBytes = gauge('kindred_record_cache_bytes', 'Memory of the record cache, about.');
    this.hintsPending = gauge('kindred_hints_pending', 'Hints waiting for an absent replica.', 'target');
    this.hintsBytes = gauge('kindred_hints_bytes', 'Bytes of hints waiting for an absent replica.', 'target');
    this.nodeState = gauge('kindred_node_state', 'State of a peer: 2 up, 1 suspect, 0 failed.', 'peer');
    this.clockSkewSeconds = gauge('kindred_clock_skew_seconds', "A peer's clock minus ours.", 'peer');
    this.queueDepth = gauge('kindred_queue_depth', 'Requests being worked on or waiting, by queue.', 'queue');
    this.clusterHealthy = gauge(
      'kindred_cluster_healthy',
      '1 when every member is up and the storage works.',
    );
    if (options.processMetrics) collectDefaultMetrics({ register: this.registry });
  }

  /** The series of requests with this method, bucket and level: keep it, do not ask for it per request. */
  requests(method: string, bucket: string, level: string): RequestSeries {
    const seconds = this.requestSeconds.with(method, bucket, level);
    const ok = this.requestsTotal.with(method, bucket, level, 'OK', '');
    const total = this.requestsTotal;
    return {
      done(code, reason, took) {
        seconds.observe(took);
        if (code === 'OK') ok.add();
        else total.with(method, bucket, level, code, reason).add();
      },
    };
  }

  /** The series of requests refused to protect the node for this reason. */
  shed(reason: string): CounterSeries {
    return this.shedTotal.with(reason);
  }

  /** The series of reads and writes that met many siblings in this bucket. */
  manySiblings(bucket: string): CounterSeries {
    return this.manySiblingsTotal.with(bucket);
  }

  /** All of it in the text format of Prometheus. */
  text(): Promise<string> {
    return this.registry.metrics();
  }
}

/** The Content-Type of {@link Metrics.text}. */
export const METRICS_CONTENT_TYPE: string = Registry.PROMETHEUS_CONTENT_TYPE;
