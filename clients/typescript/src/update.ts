/**
 * Read, resolve, change, write with the context, and resolve again if the write raced: the loop of a client that never
 * loses a write.
 */

import type { GetResult, WriteResult } from './answer.ts';
import type { Context } from './context.ts';
import { ConflictError, type ErrorReason, KindredError } from './error.ts';
import type {
  CallOptions,
  DeleteOptions,
  Expiry,
  GetOptions,
  Key,
  PutOptions,
  ReadOptions,
  WriteOptions,
} from './options.ts';
import type { Resolver } from './resolver.ts';
import { Value, type ValueLike } from './value.ts';
import type { Version } from './version.ts';

/** What an {@link UpdateFunction} returns to delete the key. */
export const deletion: unique symbol = Symbol('deletion');

/** A new value; {@link deletion}; or `undefined` to leave the key as it is. */
export type Change = ValueLike | typeof deletion | undefined;

/**
 * Makes a change of the current value, `undefined` if there is none. It is called again, with what is there then, when its
 * change certainly was not applied because another writer came first.
 */
export type UpdateFunction = (current: Value | undefined) => Change | Promise<Change>;

/** How to update. */
export interface UpdateOptions extends Expiry, CallOptions {
  /** How to read. Default: at QUORUM. */
  readonly read?: Pick<ReadOptions, 'consistency' | 'replicas' | 'fallback' | 'minContext'> | undefined;
  /** How to write. */
  readonly write?: Omit<WriteOptions, 'requestId'> | undefined;
  /** For siblings of this key. Default: the resolver that the client has for the bucket. */
  readonly resolver?: Resolver | undefined;
  /** How often the key is written at most, lost races and resolutions included. Default: 10. */
  readonly updateAttempts?: number | undefined;
}

/** What an update left. */
export interface UpdateResult {
  /** The value now, with what raced resolved into it. Undefined: the key is absent. */
  readonly value: Value | undefined;
  readonly context: Context;
  /** How many versions are left; more than 1 only without a resolver. 0: not known. */
  readonly versionsHeld: number;
}

/** What an update does with its key: a client's own operations, or those of a session. */
export interface KeyOperations {
  get(options: GetOptions): Promise<GetResult>;
  put(value: ValueLike, options: PutOptions): Promise<WriteResult>;
  delete(options: DeleteOptions): Promise<WriteResult>;
}

/** Updates one key. Throws ConflictError when siblings remain that it cannot resolve, or others always wrote first. */
export async function updateKey(
  key: KeyOperations,
  change: UpdateFunction,
  options: UpdateOptions & { readonly timeoutMs: number },
): Promise<UpdateResult> {
  return new Update(key, options).run(change);
}

/** The name of a key in a registry: no bucket name holds a zero byte. An empty bucket is the default one. */
export function keyName(bucket: string, key: Key): string {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key;
  return `${bucket || 'default'}\0${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')}`;
}

/** The change was certainly not applied, and another look at the key may show why. */
const lostRace: ReadonlySet<ErrorReason> = new Set([
  'TOO_MANY_SIBLINGS',
  'CONFLICT',
  'KEY_EXISTS',
  'CONTEXT_NOT_REACHED',
]);

/** An update must see all that its write supersedes, whatever other reads of the client do. */
const whole = { onConflict: 'RETURN_ALL', omitData: false } as const;

const ATTEMPTS_DEFAULT = 10;

class Update {
  readonly #key: KeyOperations;
  readonly #options: UpdateOptions;
  readonly #deadlineMs: number;
  readonly #attemptsMax: number;
  #attempts = 0;

  constructor(key: KeyOperations, options: UpdateOptions & { readonly timeoutMs: number }) {
    this.#key = key;
    this.#options = options;
    this.#deadlineMs = performance.now() + options.timeoutMs;
    this.#attemptsMax = options.updateAttempts ?? ATTEMPTS_DEFAULT;
  }

  async run(change: UpdateFunction): Promise<UpdateResult> {
    for (;;) {
      const found = await this.#read(this.#options.read?.minContext);
      const current = this.#current(found);
      const changed = await change(current);
      if (changed === undefined) {
        return { value: current, context: found.context, versionsHeld: versionsOf(found).length };
      }
      const value = changed === deletion ? undefined : Value.of(changed);
      this.#attempts += 1;
      try {
        const written = await this.#write(value, found.context, this.#options);
        return await this.#settle(value, written);
      } catch (error) {
        if (!isLostRace(error)) throw error;
        if (this.#attempts >= this.#attemptsMax) throw this.#lost(found, error);
      }
    }
  }

  /** Resolves what raced with a write of ours, until one version is left. */
  async #settle(written: Value | undefined, result: WriteResult): Promise<UpdateResult> {
    const { resolver } = this.#options;
    let value = written;
    let { context, versionsHeld } = result;
    while (versionsHeld !== 1 && resolver !== undefined) {
      const found = await this.#afterWrite([], context, () => this.#read(context));
      const versions = versionsOf(found);
      context = found.context;
      value = await this.#afterWrite(versions, context, async () => resolved(found, resolver));
      if (found.state !== 'conflict') return { value, context, versionsHeld: 1 };
      if (this.#attempts >= this.#attemptsMax) {
        throw new ConflictError(
          `the value was written, and ${versions.length} versions race still after ${this.#attempts} attempts to resolve them`,
          { versions, context, outcome: 'APPLIED', attempts: this.#attempts },
        );
      }
      this.#attempts += 1;
      const resolution = await this.#afterWrite(versions, context, async () => {
        try {
          // Of the values that are merged none expires earlier for it.
          return await this.#write(value, found.context, { keepExpiry: true });
        } catch (error) {
          if (isLostRace(error)) return undefined;
          throw error;
        }
      });
      if (resolution !== undefined) ({ context, versionsHeld } = resolution);
    }
    return { value, context, versionsHeld };
  }

  /** The change is written by now: whatever fails, the caller must be told so. */
  async #afterWrite<Answer>(
    versions: readonly Version[],
    context: Context,
    step: () => Promise<Answer>,
  ): Promise<Answer> {
    try {
      return await step();
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      throw new ConflictError(
        `the value was written, and what raced with it could not be resolved: ${problem}`,
        { versions, context, outcome: 'APPLIED', attempts: this.#attempts },
        { cause: error },
      );
    }
  }

  /** The context is that of the read: the one in the error's detail may cover versions that nobody here has seen. */
  #lost(found: GetResult, cause: unknown): ConflictError {
    const attempts = this.#attempts;
    return new ConflictError(
      `others wrote first, ${attempts} times`,
      { versions: versionsOf(found), context: found.context, outcome: 'NOT_APPLIED', attempts },
      { cause },
    );
  }

  #current(found: GetResult): Value | undefined {
    const { resolver } = this.#options;
    if (found.state !== 'conflict' || resolver !== undefined) return resolved(found, resolver);
    const { versions, context } = found;
    throw new ConflictError(`the key holds ${versions.length} versions, and its bucket has no resolver`, {
      versions,
      context,
      outcome: 'NOT_APPLIED',
      attempts: this.#attempts,
    });
  }

  #read(minContext: Context | undefined): Promise<GetResult> {
    const read = this.#options.read ?? {};
    const level = read.replicas === undefined ? { consistency: read.consistency ?? 'QUORUM' } : {};
    return this.#key.get({ ...read, ...level, ...whole, minContext, ...this.#call() });
  }

  #write(value: Value | undefined, context: Context, expiry: Expiry): Promise<WriteResult> {
    const options = { ...this.#options.write, context, ...this.#call() };
    if (value === undefined) return this.#key.delete(options);
    const { ttlMs, expireTime, keepExpiry } = expiry;
    return this.#key.put(value, { ...options, ttlMs, expireTime, keepExpiry });
  }

  /** One time for all. */
  #call(): CallOptions {
    const { signal, attempts } = this.#options;
    return { signal, attempts, timeoutMs: Math.max(1, Math.ceil(this.#deadlineMs - performance.now())) };
  }
}

function isLostRace(error: unknown): boolean {
  return (
    error instanceof KindredError &&
    !(error instanceof ConflictError) &&
    error.outcome === 'NOT_APPLIED' &&
    error.reason !== undefined &&
    lostRace.has(error.reason)
  );
}

function versionsOf(found: GetResult): readonly Version[] {
  return found.state === 'conflict' ? found.versions : found.state === 'found' ? [found.version] : [];
}

function resolved(found: GetResult, resolver: Resolver | undefined): Value | undefined {
  switch (found.state) {
    case 'found':
      return found.value;
    case 'absent':
      return undefined;
    case 'conflict': {
      const value = resolver?.(found.versions);
      return value === undefined ? undefined : Value.of(value);
    }
  }
}
