/** One key of a store in memory, with siblings: a context is the set of versions that it covers. */

import {
  Context,
  type DeleteOptions,
  type GetOptions,
  type GetResult,
  type PutOptions,
  type ReadReport,
  Value,
  type ValueLike,
  type Version,
  type WriteReport,
  type WriteResult,
} from '../../src/index.ts';
import type { KeyOperations } from '../../src/update.ts';

export class MemoryKey implements KeyOperations {
  #versions: Version[] = [];
  #lastCounter = 0;
  /** Writes that came through {@link put} and {@link delete}. */
  writes = 0;
  /** Called before each of them; may throw. */
  beforeWrite: () => void = () => undefined;

  /** What is stored, as text. */
  get texts(): string[] {
    return this.#versions.flatMap((version) => (version.kind === 'value' ? [version.value.text()] : []));
  }

  /** Writes of somebody who has seen nothing. */
  race(...contents: readonly string[]): void {
    for (const content of contents) this.#add(Value.of(content));
  }

  async get(options: GetOptions): Promise<GetResult> {
    const context = contextOf([
      ...this.#versions.map(({ dot }) => dot.counter),
      ...coveredBy(options.minContext),
    ]);
    const [first, ...others] = this.#versions;
    if (this.texts.length === 0) return { state: 'absent', context, report: readReport };
    if (others.length > 0)
      return { state: 'conflict', versions: this.#versions, context, report: readReport };
    if (first?.kind !== 'value') throw new Error('the only version is a deletion');
    return { state: 'found', value: first.value, version: first, context, report: readReport };
  }

  async put(value: ValueLike, options: PutOptions): Promise<WriteResult> {
    return this.#write(Value.of(value), options.context);
  }

  async delete(options: DeleteOptions): Promise<WriteResult> {
    return this.#write(undefined, options.context);
  }

  #write(value: Value | undefined, context: Context | undefined): WriteResult {
    this.beforeWrite();
    this.writes += 1;
    const covered = new Set(coveredBy(context));
    this.#versions = this.#versions.filter(({ dot }) => !covered.has(dot.counter));
    const { dot } = this.#add(value);
    return {
      context: contextOf([...covered, dot.counter]),
      dot,
      versionsHeld: this.#versions.length,
      report: writeReport,
    };
  }

  #add(value: Value | undefined): Version {
    this.#lastCounter += 1;
    const written = {
      dot: { replica: 1, epoch: 1, counter: this.#lastCounter },
      clock: [],
      writtenAt: new Date(this.#lastCounter),
      writtenAtMicros: this.#lastCounter * 1000,
      expireTime: undefined,
    };
    const version: Version =
      value === undefined ? { kind: 'deleted', ...written } : { kind: 'value', value, ...written };
    this.#versions.push(version);
    return version;
  }
}

function contextOf(counters: readonly number[]): Context {
  return Context.fromBytes(Buffer.from(JSON.stringify(counters)));
}

function coveredBy(context: Context | undefined): number[] {
  return context === undefined ? [] : JSON.parse(Buffer.from(context.bytes).toString());
}

const readReport: ReadReport = {
  achieved: 'QUORUM',
  replicasAsked: 2,
  replicasAnswered: 2,
  replicasAgreed: 2,
  repairStarted: false,
  coordinator: 'n1',
  topologyEpoch: 1,
};

const writeReport: WriteReport = {
  achieved: 'QUORUM',
  acked: 2,
  hinted: 0,
  synced: 2,
  replayed: false,
  coordinator: 'n1',
  topologyEpoch: 1,
};
