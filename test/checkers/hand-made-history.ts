/**
 * Histories written by hand, for the tests of checkers. Replicas are letters: `a1` is the first dot of replica a in epoch 1,
 * `a.2.1` the first in epoch 2; a clock is several of them, `a2 b1`.
 */

import type {
  ClockEntries,
  DotName,
  KeyHistory,
  MemoryLoss,
  ReadAttempt,
  ReplicaState,
  RunHistory,
  SeenContext,
  SeenVersion,
  WitnessedVersion,
  WriteAttempt,
} from './history.ts';

/** `a1` in the form of a history. */
export function dot(text: string): DotName {
  return entriesOf(text)[0]?.join('/') ?? '';
}

/** `a2 b1` in the form of a history. */
export function clock(text: string): ClockEntries {
  return entriesOf(text);
}

/** A context: a clock, and single dots. */
export function seen(clockText: string, dotsText = ''): SeenContext {
  return { clock: clock(clockText), dots: entriesOf(dotsText).map((entry) => entry.join('/')) };
}

function entriesOf(text: string): (readonly [number, number, number])[] {
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => {
      const replica = word.charCodeAt(0) - 96;
      const rest = word.slice(1).split('.').filter(Boolean).map(Number);
      return rest.length === 1
        ? [replica, 1, rest[0] as number]
        : [replica, rest[0] as number, rest[1] as number];
    });
}

export interface VersionText {
  readonly dot: string;
  readonly clock?: string;
  readonly value?: string | undefined;
  readonly writtenAt?: number;
  readonly expiresAt?: number;
}

export function version(text: VersionText): SeenVersion {
  return {
    dot: dot(text.dot),
    clock: clock(text.clock ?? ''),
    value: text.value,
    writtenAtMicros: text.writtenAt ?? 0,
    expiresAtMicros: text.expiresAt,
  };
}

type Settings = Partial<Pick<KeyHistory, 'homes' | 'conflictPolicy' | 'bucket' | 'key'>>;
type WriteSettings = Partial<Omit<WriteAttempt, 'kind' | 'id'>>;
type ReadSettings = Partial<Omit<ReadAttempt, 'kind' | 'id'>>;

/** One key's history under construction. Each attempt gets the next id; writes are QUORUM with SYNC_QUORUM unless told. */
export class HandMadeHistory {
  readonly #settings: Settings;
  readonly #attempts: (WriteAttempt | ReadAttempt)[] = [];
  readonly #witnessed: WitnessedVersion[] = [];
  readonly #replicas: ReplicaState[] = [];
  readonly #losses: MemoryLoss[] = [];
  #omniscient = false;

  constructor(settings: Settings = {}) {
    this.#settings = settings;
  }

  /** A put from `from` to `to`. Done where a dot is given, else of unknown outcome, unless `settings` say otherwise. */
  put(value: string, from: number, to: number, dotText?: string, settings: WriteSettings = {}): this {
    return this.#write({ action: 'put', value, ...settings }, from, to, dotText);
  }

  delete(from: number, to: number, dotText?: string, settings: WriteSettings = {}): this {
    return this.#write({ action: 'delete', value: undefined, ...settings }, from, to, dotText);
  }

  touch(from: number, to: number, dotText?: string, settings: WriteSettings = {}): this {
    return this.#write({ action: 'touch', value: undefined, ...settings }, from, to, dotText);
  }

  /** A read that was answered with these versions, and a context that covers `contextText`. */
  read(
    from: number,
    to: number,
    contextText: string,
    versions: readonly VersionText[],
    settings: ReadSettings = {},
  ): this {
    this.#attempts.push({
      kind: 'read',
      id: this.#attempts.length + 1,
      client: 'reader',
      node: 'n1',
      bucket: this.bucket,
      key: this.key,
      level: 'quorum',
      minContext: undefined,
      final: false,
      invokedMs: from,
      returnedMs: to,
      outcome: {
        kind: 'done',
        versions: versions.map(version),
        context: seen(contextText),
        answered: 3,
        agreed: 3,
        repaired: false,
        coordinator: 'n1',
      },
      ...settings,
    });
    return this;
  }

  /** A version that the observer saw on a disk. */
  witness(text: VersionText, atMs: number, more: Partial<WitnessedVersion> = {}): this {
    this.#omniscient = true;
    this.#witnessed.push({
      ...version(text),
      bucket: this.bucket,
      key: this.key,
      node: 'n1',
      atMs,
      requestId: undefined,
      fingerprint: fingerprintOf(`${text.value ?? '-'} ${text.expiresAt ?? '-'}`),
      ...more,
    });
    return this;
  }

  /** What every home holds at rest; or one, where it is named. */
  rest(clockText: string, versions: readonly VersionText[], node?: string): this {
    const state = {
      record: JSON.stringify([clockText, versions]),
      versions: versions.map(version),
      clock: clock(clockText),
    };
    for (const home of node === undefined ? this.homes : [node])
      this.#replicas.push({ node: home, ...state });
    return this;
  }

  damaged(node: string): this {
    this.#replicas.push({ node, record: 'damaged', versions: [], clock: [] });
    return this;
  }

  loss(node: string, atMs: number, lost: MemoryLoss['lost']): this {
    this.#losses.push({ node, atMs, lost });
    return this;
  }

  get homes(): readonly string[] {
    return this.#settings.homes ?? ['n1', 'n2', 'n3'];
  }

  get bucket(): string {
    return this.#settings.bucket ?? 'b';
  }

  get key(): string {
    return this.#settings.key ?? 'k';
  }

  history(): KeyHistory {
    return {
      bucket: this.bucket,
      key: this.key,
      conflictPolicy: this.#settings.conflictPolicy ?? 'siblings',
      homes: this.homes,
      attempts: this.#attempts,
      witnessed: this.#witnessed,
      replicas: this.#replicas,
    };
  }

  /** A run of this key and `others`. */
  run(others: readonly KeyHistory[] = [], more: Partial<RunHistory> = {}): RunHistory {
    return {
      keys: [this.history(), ...others],
      memoryLosses: this.#losses,
      healedMs: 1_000,
      endedMs: 2_000,
      omniscient: this.#omniscient,
      ...more,
    };
  }

  #write(settings: WriteSettings, from: number, to: number, dotText: string | undefined): this {
    const id = this.#attempts.length + 1;
    const { context } = settings;
    const done = dotText === undefined ? undefined : dot(dotText);
    const level = settings.level ?? 'quorum';
    const acked = level === 'all' ? 3 : level === 'one' ? 1 : 2;
    this.#attempts.push({
      kind: 'write',
      id,
      write: id,
      client: 'writer',
      node: 'n1',
      bucket: this.bucket,
      key: this.key,
      action: 'put',
      value: undefined,
      causality: context === undefined ? 'overwrite' : 'context',
      context,
      level,
      durability: 'sync-quorum',
      requestId: undefined,
      ttlMs: undefined,
      invokedMs: from,
      returnedMs: to,
      outcome:
        done === undefined
          ? {
              kind: 'unknown',
              code: 4,
              reason: 2,
              safeToRetry: settings.requestId !== undefined,
              message: '',
            }
          : {
              kind: 'done',
              dot: done,
              context: after(context ?? seen(''), done),
              acked,
              synced: acked,
              hinted: 0,
              replayed: false,
              coordinator: 'n1',
            },
      ...settings,
    });
    return this;
  }
}

/** An answer to a write that differs from the usual one. */
export function done(
  dotText: string | undefined,
  context: SeenContext,
  more: Partial<Extract<WriteAttempt['outcome'], { kind: 'done' }>> = {},
): WriteAttempt['outcome'] {
  return {
    kind: 'done',
    dot: dotText === undefined ? undefined : dot(dotText),
    context,
    acked: 2,
    synced: 2,
    hinted: 0,
    replayed: false,
    coordinator: 'n1',
    ...more,
  };
}

/** A failure that says that nothing happened: too few replicas up, unless told otherwise. */
export function notApplied(code = 14, reason = 1): WriteAttempt['outcome'] {
  return { kind: 'not-applied', code, reason, message: '' };
}

/** The context after a write, as ADR 8 has it. */
export function after(context: SeenContext, written: DotName): SeenContext {
  const [replica, epoch, counter] = written.split('/').map(Number) as [number, number, number];
  const before = context.clock.find((entry) => entry[0] === replica && entry[1] === epoch)?.[2] ?? 0;
  if (before !== counter - 1) return { clock: context.clock, dots: [...context.dots, written] };
  const others = context.clock.filter((entry) => entry[0] !== replica || entry[1] !== epoch);
  return { clock: [...others, [replica, epoch, counter]], dots: context.dots };
}

function fingerprintOf(text: string): number {
  let hash = 7;
  for (let i = 0; i < text.length; i++) hash = (hash * 31 + text.charCodeAt(i)) % 4_294_967_291;
  return hash;
}
