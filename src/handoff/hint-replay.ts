/**
 * Hands the hints over to the replicas they were kept for, as soon as those are up: an ordinary merge, oldest first, and a
 * hint goes only when its target has confirmed it on stable storage (Dynamo, section 4.6). How fast, and how many at once, is
 * bounded for each target, because all its peers hand over at the same time when a node comes back.
 *
 * A hint whose target is no home of the key any more goes to the homes. One that has waited too long is dropped: by then
 * anti-entropy is the better way, and the hint might meet a store that has collected deletions since. Not so those that a
 * client was told count: they may be the only copy.
 */

import type { Throttle } from '../core/background/throttle.ts';
import { TokenBucket } from '../core/background/token-bucket.ts';
import type { NodeId } from '../core/identity.ts';
import type { Env, Timer } from '../env/env.ts';
import type { HintOrder } from '../storage/hint-format.ts';
import type { Hint, HintStore } from '../storage/hint-store.ts';
import type { DroppedHint } from './hint-keeper.ts';

/** What a target is handed. */
export type HandedHint = Pick<Hint, 'recordKey' | 'record' | 'receiverMark'>;

export interface HintReplayDependencies {
  readonly hints: HintStore;
  readonly env: Env;
  readonly isMember: (node: NodeId) => boolean;
  readonly isUp: (node: NodeId) => boolean;
  /** The homes of a key, or `undefined` when its bucket is in the configuration no more. */
  readonly homesOf: (recordKey: Uint8Array) => readonly NodeId[] | undefined;
  /** The newest mark that was heard of a node's store. 0: none. */
  readonly markOf: (node: NodeId) => number;
  /** Merges a record into the target, synced. */
  readonly deliver: (target: NodeId, hint: HandedHint) => Promise<HintDelivery>;
  /** Asked before each hint is sent: background work yields to clients. */
  readonly throttle: Throttle;
  readonly onReplayed: (target: NodeId, count: number) => void;
  /** Told of a hint that was turned down: until somebody repairs its key it always will be, and perhaps nobody reads it. */
  readonly onRefused: (recordKey: Uint8Array) => void;
  readonly onDropped: (target: NodeId, why: DroppedHint) => void;
  /** Told at most once a minute of each target for which hints were dropped that a client was told count. */
  readonly onCountedDropped: (target: NodeId, count: number) => void;
  /** Told when the store under the hints failed; the node is stopping then. */
  readonly onError: (error: unknown) => void;
}

/**
 * What became of a hint: on the target's stable storage; turned down by a target that takes others (its record of the key is
 * damaged and waits for a repair); outdated (the target has collected deletions that may be newer); or the target could not
 * be reached.
 */
export type HintDelivery = 'confirmed' | 'refused' | 'outdated' | 'unreachable';

export interface HintReplayOptions {
  /** How often targets that have hints are looked at. */
  readonly intervalMs: number;
  /** Bytes a second that one target is handed. */
  readonly bytesPerSecond: number;
  /** Hints on their way to one target. */
  readonly inFlightMax: number;
  /** And their bytes. One larger hint still goes, alone. */
  readonly bytesInFlightMax: number;
  /** Hints that have waited longer are dropped, in milliseconds. */
  readonly ageMsMax: number;
}

/** A target that refused hints and took none is tried again later and later, up to this. */
const refusedMsMax = 30_000;
/** Places in the order that are looked up at once. */
const pageSize = 128;
/** How often hints whose target is no home of the key any more are tried at the homes while it is away. */
const strayMs = 30_000;
/** Hints that have grown too old are looked for this many times in their life, but neither all the time nor never. */
const sweepsPerLife = 20;
const sweepMsMin = 1_000;
const sweepMsMax = 60_000;
/** How often it is told that hints were dropped that count. */
const tellMs = 60_000;

/** One target while its hints are handed over. */
interface Run {
  inFlight: number;
  bytesInFlight: number;
  count: number;
  confirmed: number;
  refused: number;
  /** Begins nothing more: the target went away, or the replay ends. */
  ended: boolean;
  /** Called whenever a hint is no longer on its way. */
  onLanded: () => void;
}

export class HintReplay {
  readonly #deps: HintReplayDependencies;
  readonly #options: HintReplayOptions;
  readonly #running = new Map<NodeId, Promise<void>>();
  readonly #rates = new Map<NodeId, TokenBucket>();
  /** Targets that refused all that they were handed last, how long they are left alone, and until when. */
  readonly #refusing = new Map<NodeId, { readonly pauseMs: number; readonly untilMs: number }>();
  /** When the hints of a target that is away were last searched for some that are not its own any more. */
  readonly #searchedMs = new Map<NodeId, number>();
  /** Targets with such hints that a home could not be given. */
  readonly #straysLeft = new Set<NodeId>();
  /** By target, how far in the order of age only hints are left that do not grow too old. */
  readonly #swept = new Map<NodeId, HintOrder>();
  readonly #sleepers = new Set<() => void>();
  /** Hints that count and were dropped, and of which nobody was told yet. */
  readonly #countedDropped = new Map<NodeId, number>();
  #timers: readonly Timer[] = [];
  #sweeping: Promise<void> | undefined;
  #stopped = false;
  #confirmed = 0;

  constructor(dependencies: HintReplayDependencies, options: HintReplayOptions) {
    this.#deps = dependencies;
    this.#options = options;
  }

  start(): void {
    const { timers } = this.#deps.env;
    const { intervalMs, ageMsMax } = this.#options;
    const sweepMs = Math.min(sweepMsMax, Math.max(sweepMsMin, ageMsMax / sweepsPerLife));
    this.#timers = [
      timers.every(intervalMs, () => this.#look()),
      timers.every(sweepMs, () => this.#sweepAll()),
      timers.every(tellMs, () => this.#tellCountedDropped()),
    ];
  }

  /** Hints that their targets have confirmed, since the start. */
  get delivered(): number {
    return this.#confirmed;
  }

  /** Begins nothing more. Resolves when the hints on their way have been confirmed or given up: then the store may close. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
    for (const wake of this.#sleepers) wake();
    await Promise.all([...this.#running.values(), this.#sweeping]);
    this.#tellCountedDropped();
  }

  #look(): void {
    const { hints, env, isUp, isMember } = this.#deps;
    const nowMs = env.clock.monotonicMs();
    for (const target of this.#refusing.keys()) {
      // One that comes back may have been repaired meanwhile, and missed more.
      if (!hints.targets().has(target) || !isUp(target)) this.#refusing.delete(target);
    }
    for (const target of hints.targets().keys()) {
      if (this.#running.has(target) || nowMs < (this.#refusing.get(target)?.untilMs ?? nowMs)) continue;
      if (isMember(target) && isUp(target)) this.#run(target, true);
      else if (this.#isDueForSearch(target)) this.#run(target, false);
    }
  }

  #notePause(target: NodeId, { confirmed, refused }: Run): void {
    if (confirmed > 0) this.#refusing.delete(target);
    else if (refused > 0) {
      const pauseMs = Math.min(
        refusedMsMax,
        2 * (this.#refusing.get(target)?.pauseMs ?? this.#options.intervalMs),
      );
      this.#refusing.set(target, { pauseMs, untilMs: this.#deps.env.clock.monotonicMs() + pauseMs });
    }
  }

  /** The homes of a key change only with the configuration, so a member that is away is searched until nothing was left. */
  #isDueForSearch(target: NodeId): boolean {
    const nowMs = this.#deps.env.clock.monotonicMs();
    const lastMs = this.#searchedMs.get(target);
    const searchedAll = this.#deps.isMember(target) && !this.#straysLeft.has(target);
    if (lastMs !== undefined && (searchedAll || nowMs < lastMs + strayMs)) return false;
    this.#straysLeft.delete(target);
    this.#searchedMs.set(target, nowMs);
    return true;
  }

  /** `isUp`: hands over all; otherwise only what belongs to others now. */
  #run(target: NodeId, isUp: boolean): void {
    const run: Run = {
      inFlight: 0,
      bytesInFlight: 0,
      count: 0,
      confirmed: 0,
      refused: 0,
      ended: false,
      onLanded: () => undefined,
    };
    const done = this.#replay(target, isUp, run)
      .catch(this.#deps.onError)
      .finally(() => {
        this.#running.delete(target);
        this.#notePause(target, run);
        if (run.count > 0) this.#deps.onReplayed(target, run.count);
      });
    this.#running.set(target, done);
  }

  async #replay(target: NodeId, isUp: boolean, run: Run): Promise<void> {
    try {
      for await (const hint of this.#hintsOf(target)) {
        const homes = this.#deps.homesOf(hint.recordKey);
        if (homes === undefined) {
          await this.#drop(target, hint, 'no-bucket');
          continue;
        }
        const isHome = homes.includes(target);
        if (isHome && !isUp) continue;
        await this.#admitted(target, hint, run);
        if (run.ended || this.#stopped) break;
        this.#send(target, hint, isHome ? undefined : homes, run);
        // Rare path, safe: the rest is handed over at the next look.
        if (this.#deps.env.rarePath('hint-batch-of-one')) break;
      }
    } finally {
      await this.#landed(run, () => run.inFlight === 0);
    }
  }

  /** Oldest first: all, or those behind a place. */
  async *#hintsOf(target: NodeId, from?: HintOrder): AsyncIterable<Hint> {
    const { hints } = this.#deps;
    let after = from;
    while (!this.#stopped) {
      const places = await hints.oldest(target, after, pageSize);
      for (const place of places) {
        const hint = await hints.at(target, place);
        if (hint !== undefined) yield hint;
        if (this.#stopped) return;
      }
      if (places.length < pageSize) return;
      after = places.at(-1);
    }
  }

  /** Resolves when the hint may be sent: there are tokens for it, and not too many are on their way. */
  async #admitted(target: NodeId, hint: Hint, run: Run): Promise<void> {
    const { env, throttle } = this.#deps;
    const { bytesPerSecond, inFlightMax, bytesInFlightMax } = this.#options;
    const bytes = bytesOf(hint);
    await this.#landed(
      run,
      () =>
        run.inFlight === 0 || (run.inFlight < inFlightMax && run.bytesInFlight + bytes <= bytesInFlightMax),
    );
    const nowMs = env.clock.monotonicMs();
    let rate = this.#rates.get(target);
    if (rate === undefined) {
      rate = new TokenBucket({ ratePerSecond: bytesPerSecond }, nowMs);
      this.#rates.set(target, rate);
    }
    const waitMs = rate.waitMs(nowMs);
    rate.charge(bytes, nowMs);
    if (waitMs > 0) await this.#sleep(waitMs);
    await throttle.take(1, bytes);
  }

  /** `homes`: who gets it in place of a target that is no home of the key any more. */
  #send(target: NodeId, hint: Hint, homes: readonly NodeId[] | undefined, run: Run): void {
    const bytes = bytesOf(hint);
    run.inFlight++;
    run.bytesInFlight += bytes;
    this.#deliver(target, hint, homes)
      .then((delivery) => this.#delivered(target, hint, delivery, homes === undefined, run))
      .catch((error: unknown) => {
        run.ended = true;
        this.#deps.onError(error);
      })
      .finally(() => {
        run.inFlight--;
        run.bytesInFlight -= bytes;
        run.onLanded();
      });
  }

  async #deliver(target: NodeId, hint: Hint, homes: readonly NodeId[] | undefined): Promise<HintDelivery> {
    const { hints, isUp, deliver, markOf } = this.#deps;
    const { recordKey } = hint;
    // As it is now: it has waited for its turn, and meanwhile the hint for another target may have been sent.
    const isUnsent = hint.unsent && hints.get(target, recordKey)?.unsent === true;
    // It keeps the marks of its target only, so it should reach a home the first time.
    if (isUnsent && homes?.every((home) => !isUp(home)) === true) return 'unreachable';
    // Of a hint that was sent before, the mark is that of another store.
    const marked = homes?.map((home) => ({ home, receiverMark: isUnsent ? markOf(home) : 0 }));
    if (isUnsent) await this.#aboutToSend(target, hint);
    if (marked === undefined) {
      const { receiverMark } = hint.unsent ? (hints.get(target, recordKey) ?? { receiverMark: 0 }) : hint;
      return await deliver(target, { ...hint, receiverMark });
    }
    const deliveries = await Promise.all(
      marked.map(({ home, receiverMark }) => deliver(home, { ...hint, receiverMark })),
    );
    const worst = (['unreachable', 'refused', 'outdated'] as const).find((kind) => deliveries.includes(kind));
    return worst ?? 'confirmed';
  }

  /**
   * A write that only this store knows of cannot have been deleted by anybody, however long it waited here; from now on it can.
   * That holds for its hints for all targets, because the first that gets it may pass it on.
   */
  async #aboutToSend(target: NodeId, { recordKey }: Hint): Promise<void> {
    const { hints, homesOf, markOf } = this.#deps;
    const targets = new Set([target, ...(homesOf(recordKey) ?? [])]);
    await Promise.all([...targets].map((node) => hints.aboutToSend(node, recordKey, markOf(node))));
  }

  async #delivered(
    target: NodeId,
    hint: Hint,
    delivery: HintDelivery,
    isOwn: boolean,
    run: Run,
  ): Promise<void> {
    const { hints, env, onRefused } = this.#deps;
    const { recordKey, record } = hint;
    switch (delivery) {
      case 'unreachable':
        // The homes of a stray may be away one by one, and the rest of the strays belongs to others.
        if (isOwn) run.ended = true;
        else this.#straysLeft.add(target);
        return;
      case 'refused':
        // It stays, and does not hold back those behind it.
        run.refused++;
        onRefused(recordKey);
        return;
      case 'outdated':
        await this.#drop(target, hint, 'outdated');
        return;
      case 'confirmed':
        this.#confirmed++;
        run.confirmed++;
        // Safe: the hint is merged once more, as when the power fails before its removal is on disk.
        if (env.rarePath('hint-delivered-twice')) return;
        // Something has been merged into it when this is false, and it is handed over again at the next look.
        if (await hints.remove(target, recordKey, record)) run.count++;
    }
  }

  #sweepAll(): void {
    this.#sweeping ??= this.#sweep()
      .catch(this.#deps.onError)
      .finally(() => {
        this.#sweeping = undefined;
      });
  }

  /** Drops what has waited for too long. A wall clock that was set back lets hints live longer, one set forward shorter. */
  async #sweep(): Promise<void> {
    const { hints, env } = this.#deps;
    const oldestMicros = env.clock.wallMicros() - this.#options.ageMsMax * 1_000;
    for (const target of this.#swept.keys()) if (!hints.targets().has(target)) this.#swept.delete(target);
    for (const target of [...hints.targets().keys()]) await this.#sweepTarget(target, oldestMicros);
  }

  /** What was passed is not read again: everything kept since is behind it, unless the clock was set back so far. */
  async #sweepTarget(target: NodeId, oldestMicros: number): Promise<void> {
    let passed = this.#swept.get(target);
    if (passed !== undefined && passed.keptAtMicros >= oldestMicros) passed = undefined;
    let allGone = true;
    for await (const hint of this.#hintsOf(target, passed)) {
      if (hint.keptAtMicros >= oldestMicros) break;
      // One that something was merged into meanwhile stays where it is, and is looked at again.
      if (!hint.counted && !(await this.#drop(target, hint, 'too-old'))) allGone = false;
      if (allGone) passed = { keptAtMicros: hint.keptAtMicros, recordKey: hint.recordKey };
    }
    if (passed === undefined) this.#swept.delete(target);
    else this.#swept.set(target, passed);
  }

  /** False: it has gone, or something was merged into it, and it stays. */
  async #drop(target: NodeId, { recordKey, record, counted }: Hint, why: DroppedHint): Promise<boolean> {
    const removed = await this.#deps.hints.remove(target, recordKey, record);
    if (!removed) return false;
    this.#deps.onDropped(target, why);
    if (counted) this.#countedDropped.set(target, (this.#countedDropped.get(target) ?? 0) + 1);
    return true;
  }

  #tellCountedDropped(): void {
    for (const [target, count] of this.#countedDropped) this.#deps.onCountedDropped(target, count);
    this.#countedDropped.clear();
  }

  /** Resolves when the condition holds, which is looked at whenever a hint has landed. */
  async #landed(run: Run, condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        run.onLanded = resolve;
      });
    }
  }

  async #sleep(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        timer.cancel();
        this.#sleepers.delete(wake);
        resolve();
      };
      const timer = this.#deps.env.timers.after(delayMs, wake);
      this.#sleepers.add(wake);
      if (this.#stopped) wake();
    });
  }
}

function bytesOf({ recordKey, record }: Hint): number {
  return recordKey.length + record.length;
}
