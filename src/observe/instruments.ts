/**
 * Counters and histograms that cost an addition where they are used. prom-client hashes the labels on every call; these
 * resolve them once and give the numbers to its registry only when someone scrapes.
 */

import type { Metric, Registry } from 'prom-client';

/** Values of labels by name. */
export type Labels = Readonly<Record<string, string>>;

/** One time series that only grows. */
export interface CounterSeries {
  /** Adds `by`, default 1. Never negative. */
  add(by?: number): void;
}

/** One distribution. */
export interface HistogramSeries {
  observe(value: number): void;
}

/** Label values are joined by this to find a series again. */
const SEPARATOR = '\u0000';

interface Sample {
  readonly labels: Labels;
  readonly value: number;
  readonly metricName?: string;
}

/** A family of series under one name. A series is made once with `with(...)`, kept by its user, and then costs nothing. */
abstract class Family<Series> {
  readonly name: string;
  readonly help: string;
  abstract readonly type: 'counter' | 'histogram' | 'gauge';
  readonly aggregator: string = 'sum';
  readonly labelNames: readonly string[];
  private readonly seriesMax: number;
  protected readonly children: Map<string, { readonly labels: Labels; readonly series: Series }> = new Map();

  constructor(name: string, help: string, labelNames: readonly string[], seriesMax: number) {
    this.name = name;
    this.help = help;
    this.labelNames = labelNames;
    this.seriesMax = seriesMax;
  }

  /** The series with these label values, in the order of the names. Beyond the bound all share one whose labels say `other`. */
  with(...values: readonly string[]): Series {
    const key = values.join(SEPARATOR);
    const found = this.children.get(key);
    if (found !== undefined) return found.series;
    if (this.children.size >= this.seriesMax && values.some((value) => value !== 'other')) {
      return this.with(...this.labelNames.map(() => 'other'));
    }
    const labels = Object.fromEntries(this.labelNames.map((name, index) => [name, values[index] ?? '']));
    const series = this.create();
    this.children.set(key, { labels, series });
    return series;
  }

  /** What the registry asks for at a scrape. */
  async get(): Promise<object> {
    const { name, help, type, aggregator } = this;
    const values: Sample[] = [];
    for (const { labels, series } of this.children.values()) this.sample(labels, series, values);
    return { name, help, type, aggregator, values };
  }

  protected abstract create(): Series;
  protected abstract sample(labels: Labels, series: Series, into: Sample[]): void;
}

class Count implements CounterSeries {
  total = 0;
  add(by = 1): void {
    this.total += by;
  }
}

/** Counts under one name, told apart by labels. */
export class CounterFamily extends Family<Count> {
  readonly type = 'counter';
  protected create(): Count {
    return new Count();
  }
  protected sample(labels: Labels, series: Count, into: Sample[]): void {
    into.push({ labels, value: series.total });
  }
}

class Distribution implements HistogramSeries {
  readonly bounds: readonly number[];
  /** Per bucket, not cumulative; the last one is above all bounds. */
  readonly counts: Float64Array;
  sum = 0;
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }
  observe(value: number): void {
    const { bounds, counts } = this;
    let index = 0;
    while (index < bounds.length && value > (bounds[index] as number)) index++;
    counts[index] = (counts[index] as number) + 1;
    this.sum += value;
  }
}

/** Distributions under one name, told apart by labels. */
export class HistogramFamily extends Family<Distribution> {
  readonly type = 'histogram';
  private readonly bounds: readonly number[];
  constructor(
    name: string,
    help: string,
    labelNames: readonly string[],
    seriesMax: number,
    bounds: readonly number[],
  ) {
    super(name, help, labelNames, seriesMax);
    this.bounds = bounds;
  }
  protected create(): Distribution {
    return new Distribution(this.bounds);
  }
  protected sample(labels: Labels, series: Distribution, into: Sample[]): void {
    const metricName = `${this.name}_bucket`;
    let cumulative = 0;
    for (const [index, bound] of this.bounds.entries()) {
      cumulative += series.counts[index] as number;
      into.push({ labels: { ...labels, le: String(bound) }, value: cumulative, metricName });
    }
    cumulative += series.counts[this.bounds.length] as number;
    into.push({ labels: { ...labels, le: '+Inf' }, value: cumulative, metricName });
    into.push({ labels, value: series.sum, metricName: `${this.name}_sum` });
    into.push({ labels, value: cumulative, metricName: `${this.name}_count` });
  }
}

/** What is read at a scrape: one number, or one per value of the label. May have to be looked up first. */
export type Reader = () => Read | Promise<Read>;
type Read = number | Iterable<readonly [label: string, value: number]>;

/** A value that others keep, read only when someone scrapes. Absent until it has a reader. */
abstract class Reading {
  readonly name: string;
  readonly help: string;
  abstract readonly type: 'gauge' | 'counter';
  readonly aggregator: string = 'sum';
  readonly labelNames: readonly string[];
  private reader: Reader | undefined;
  constructor(name: string, help: string, labelName?: string) {
    this.name = name;
    this.help = help;
    this.labelNames = labelName === undefined ? [] : [labelName];
  }
  /** From now on every scrape calls `reader`. */
  readWith(reader: Reader): void {
    this.reader = reader;
  }
  /** What the registry asks for at a scrape. */
  async get(): Promise<object> {
    const read = (await this.reader?.()) ?? [];
    const { name, help, type, aggregator, labelNames } = this;
    const samples: Sample[] =
      typeof read === 'number'
        ? [{ labels: {}, value: read }]
        : Array.from(read, ([label, value]) => ({ labels: { [labelNames[0] ?? 'of']: label }, value }));
    return { name, help, type, aggregator, values: samples };
  }
}

/** A value that goes up and down, read only when someone scrapes. */
export class GaugeReading extends Reading {
  readonly type = 'gauge';
}

/** A count that others keep, read only when someone scrapes. */
export class CounterReading extends Reading {
  readonly type = 'counter';
}

/** Makes `metric` part of what `registry` shows. */
export function register<M extends CounterFamily | HistogramFamily | GaugeReading | CounterReading>(
  registry: Registry,
  metric: M,
): M {
  // The registry only ever calls get(), name and type; its own type asks for a class of prom-client.
  registry.registerMetric(metric as unknown as Metric);
  return metric;
}
