/** What a node's /metrics says, as numbers. */

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One scrape. */
export class MetricSamples {
  readonly #samples: readonly Sample[];

  private constructor(samples: readonly Sample[]) {
    this.#samples = samples;
  }

  /** Reads the text format of Prometheus. */
  static parse(text: string): MetricSamples {
    const samples: Sample[] = [];
    for (const line of text.split('\n')) {
      const match = /^([a-z_A-Z0-9:]+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (match === null) continue;
      const [, name = '', labels = '', value = ''] = match;
      const pairs = [...labels.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, key = '', text = '']) => [
        key,
        text,
      ]);
      samples.push({ name, labels: Object.fromEntries(pairs), value: Number(value) });
    }
    return new MetricSamples(samples);
  }

  /** The sum over all series of the metric that have these labels; 0 without any. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.#samples
      .filter((sample) => sample.name === name)
      .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
      .reduce((sum, { value }) => sum + value, 0);
  }
}
