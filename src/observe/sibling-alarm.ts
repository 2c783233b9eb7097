/** Says when keys gather siblings: a count for the metrics, and a line in the log now and then, which names the key. */

/** What the alarm needs. */
export interface SiblingAlarmDependencies {
  readonly monotonicMs: () => number;
  /** Counts one read or write of such a key. */
  readonly count: (bucket: string) => void;
  readonly warn: (fields: Readonly<Record<string, unknown>>, message: string) => void;
}

/** One line per bucket in this time: a hot key would fill the log. */
const quietMs = 10_000;

export class SiblingAlarm {
  readonly #deps: SiblingAlarmDependencies;
  readonly #warnedMs = new Map<string, number>();

  constructor(dependencies: SiblingAlarmDependencies) {
    this.#deps = dependencies;
  }

  /** A read or a write met `siblings` versions of the key, as many as its bucket warns of or more. */
  noticed(bucket: string, recordKey: Uint8Array, siblings: number, siblingsMax: number): void {
    const { monotonicMs, count, warn } = this.#deps;
    count(bucket);
    const nowMs = monotonicMs();
    const warnedMs = this.#warnedMs.get(bucket);
    if (warnedMs !== undefined && nowMs - warnedMs < quietMs) return;
    this.#warnedMs.set(bucket, nowMs);
    const key = Buffer.from(recordKey.subarray(bucket.length + 1)).toString('base64');
    warn(
      { bucket, key, siblings },
      `a key has ${siblings} siblings; at ${siblingsMax} writes that add one are refused. Merge them: kindred resolve --base64 ${key} --bucket ${bucket}`,
    );
  }
}
