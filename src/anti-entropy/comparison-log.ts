/**
 * The log of comparisons that ended well, as collection of tombstones asks it: what has arrived here before which moment is
 * known to be at every other home, and what of that has been so for long enough. Kept through restarts, because what a
 * comparison told stays true as long as the peer's store is no earlier state of itself; `greeted` is told of every greeting
 * and forgets what is not. The rules are core/anti-entropy/peer-comparisons.ts and store-fence.ts.
 *
 * Whoever tells of a comparison vouches for four things:
 * - `startedAtMs` is `TombstoneJudge.comparisonStart()` of a moment before the first hash was read: what had arrived by then is
 *   not on its way to the disk any more, so that a listing shows it;
 * - every key that differed was made equal on both sides; one that is damaged on either was not, and then it has not ended well;
 * - one and the same process of the peer answered from the first question to the end;
 * - the peer brought all it held to stable storage before it stored, and told, `peerMark`.
 */

import {
  collectableBefore,
  type EndedComparison,
  type GreetingStore,
  noComparisons,
  type PeerComparisons,
  relyOn,
  ripeComparison,
  settledComparison,
  stillHolds,
  stillValid,
  withEnded,
  withOwnMark,
} from '../core/anti-entropy/peer-comparisons.ts';
import { completeFence, type Fence, isOutdated, stricterFence } from '../core/anti-entropy/store-fence.ts';
import type { NodeId } from '../core/identity.ts';
import type { ComparisonStore } from '../storage/comparison-store.ts';

export interface ComparisonLogDependencies {
  readonly store: Pick<ComparisonStore, 'read' | 'putComparisons' | 'putFence' | 'putStores'>;
  /** Running time of this node's store. */
  readonly runningMs: () => number;
  /** The mark that this node's store holds on stable storage. */
  readonly storedMark: () => number;
  /** Told of what the store refused in the background. The store's own listeners stop the node. */
  readonly onError: (error: unknown) => void;
}

export interface ComparisonLogOptions {
  /** See `tombstones.grace_ms`. */
  readonly graceMs: number;
  /** All other members of the cluster. */
  readonly others: readonly NodeId[];
}

/** Ids remembered of one node: beyond it what it holds is taken for unknown. */
const storesMax = 1_024;

interface Peer {
  readonly node: NodeId;
  readonly replication: number;
  kept: PeerComparisons;
  /** The last that ended well, of all. */
  latest: EndedComparison | undefined;
}

/** What is known of all other homes of a partition together. `undefined`: of one of them, nothing. Infinity: there are none. */
export interface HomesCompared {
  /** What arrived before is at every other home. */
  readonly confirmedBeforeMs: number | undefined;
  /** And has been for a grace, and the fences stand. */
  readonly collectableBeforeMs: number | undefined;
  /** And the others have had time to find so. */
  readonly deletableBeforeMs: number | undefined;
  /** Before something is deleted by it, hints from before this mark of this node's store must be refused. */
  readonly collectedMark: number;
}

/** Numbers for the metrics. */
export interface ComparisonLogCounters {
  /** Comparisons that were told. */
  told: number;
  /** Comparisons that were forgotten, because a peer came back with another store. */
  forgotten: number;
  /** Comparisons that collection has come to rely on. */
  reliedOn: number;
}

/** Opens the log. Rejects with EngineError. */
export async function openComparisonLog(
  deps: ComparisonLogDependencies,
  options: ComparisonLogOptions,
): Promise<ComparisonLog> {
  const stored = await deps.store.read();
  const log = new ComparisonLog(deps, options, new Map(stored.fences), new Map(stored.stores));
  for (const { peer, replication, kept } of stored.comparisons) log.take(peer, replication, kept);
  return log;
}

export class ComparisonLog {
  readonly counters: ComparisonLogCounters = { told: 0, forgotten: 0, reliedOn: 0 };
  readonly #deps: ComparisonLogDependencies;
  readonly #graceMs: number;
  readonly #others: readonly NodeId[];
  /** Under which ids the stores of the others have greeted since this process started. */
  readonly #stores = new Map<NodeId, Set<number>>();
  /** Under which ids they have ever come, the newest last: what is fenced completely once a later one is relied on. */
  readonly #everStores: Map<NodeId, readonly number[]>;
  readonly #fences: Map<number, Fence>;
  readonly #peers = new Map<number, Map<NodeId, Peer>>();
  #advancing: Promise<void> | undefined;

  /** Use `openComparisonLog`. */
  constructor(
    deps: ComparisonLogDependencies,
    options: ComparisonLogOptions,
    fences: Map<number, Fence>,
    everStores: Map<NodeId, readonly number[]>,
  ) {
    this.#deps = deps;
    this.#graceMs = options.graceMs;
    this.#others = options.others;
    this.#fences = fences;
    this.#everStores = everStores;
  }

  /** The greatest running time that anything stored here names: the store's own cannot be earlier. */
  get latestMs(): number {
    let latestMs = 0;
    for (const { kept } of this.#all()) {
      for (const each of kept.ripening) latestMs = Math.max(latestMs, each.endedAtMs, each.ownMarkAtMs);
      for (const each of kept.relied) latestMs = Math.max(latestMs, each.reliedAtMs);
    }
    return latestMs;
  }

  /** The marks that stores of peers are known to have held: for whoever judges whether one was put back, and for hints. */
  *knownMarks(): Iterable<{
    readonly nodeId: NodeId;
    readonly replicaId: number;
    readonly generation: number;
    readonly mark: number;
  }> {
    for (const { node, kept } of this.#all()) {
      for (const { process, peerMark } of [...kept.relied, ...kept.ripening]) {
        const { replicaId, generation } = process;
        yield { nodeId: node, replicaId, generation, mark: peerMark };
      }
    }
  }

  /** Takes over what was stored; called once for each, by `openComparisonLog`. */
  take(node: NodeId, replication: number, kept: PeerComparisons): void {
    const peer = this.#peer(replication, node);
    peer.kept = kept;
    peer.latest = kept.ripening.at(-1) ?? kept.relied.at(-1);
  }

  /** A comparison with a peer over all that is shared under this replication has ended well just now. */
  told(node: NodeId, replication: number, comparison: Omit<EndedComparison, 'endedAtMs'>): void {
    // Now, and not when its last answer was sent: what counts is how long ago it was at least.
    const ended = { ...comparison, endedAtMs: this.#deps.runningMs() };
    const peer = this.#peer(replication, node);
    this.#isStoreOf(node, ended.process.replicaId);
    this.counters.told++;
    peer.latest = ended;
    this.#keep(peer, withEnded(peer.kept, ended, this.#graceMs));
  }

  /**
   * A peer greets, or answers a greeting, with this store. Why it must not be talked to, or `undefined`. Also forgets the
   * comparisons that do not hold for it.
   */
  greeted(node: NodeId, store: GreetingStore): string | undefined {
    // Of a store that has come before it is known exactly: a mark, which follows a wall clock, must not accuse it.
    const isKnown = this.#everStores.get(node)?.includes(store.replicaId) === true;
    const ofNode = isKnown ? undefined : this.#fenceOf(node);
    if (isOutdated(store, (replicaId) => this.#fences.get(replicaId), ofNode)) {
      return (
        `the data of ${node} are older than deletions that this node has since forgotten: listened to, it would bring ` +
        'deleted values back'
      );
    }
    const stores = this.#stores.get(node) ?? new Set();
    for (const id of [store.replicaId, store.formerReplicaId]) {
      // The hints that a store made under its former id came along with its directory.
      if (id !== 0 && stores.size < storesMax) this.#stores.set(node, stores.add(id));
    }
    this.#isStoreOf(node, store.replicaId);
    for (const peers of this.#peers.values()) {
      const peer = peers.get(node);
      if (peer === undefined) continue;
      if (peer.latest !== undefined && !stillHolds(peer.latest, store)) {
        peer.latest = undefined;
        this.counters.forgotten++;
      }
      this.#keep(peer, stillValid(peer.kept, store));
    }
    return undefined;
  }

  /** What is known of these other homes together. */
  of(replication: number, otherHomes: readonly NodeId[]): HomesCompared {
    const nowMs = this.#deps.runningMs();
    let confirmedBeforeMs: number | undefined = Number.POSITIVE_INFINITY;
    let collectableBeforeMs: number | undefined = Number.POSITIVE_INFINITY;
    let deletableBeforeMs: number | undefined = Number.POSITIVE_INFINITY;
    let collectedMark = 0;
    const peers = this.#peers.get(replication);
    for (const home of otherHomes) {
      const peer = peers?.get(home);
      const settled = peer === undefined ? undefined : settledComparison(peer.kept, nowMs, this.#graceMs);
      confirmedBeforeMs = least(confirmedBeforeMs, peer?.latest?.startedAtMs);
      collectableBeforeMs = least(
        collectableBeforeMs,
        peer === undefined ? undefined : collectableBefore(peer.kept),
      );
      deletableBeforeMs = least(deletableBeforeMs, settled?.startedAtMs);
      collectedMark = Math.max(collectedMark, settled?.ownMark ?? 0);
    }
    return { confirmedBeforeMs, collectableBeforeMs, deletableBeforeMs, collectedMark };
  }

  /**
   * Whether the store with this id may be that of a member which is none of these homes. Such a store makes dots of its own for
   * writes at ANY, and may keep what nobody has ever seen while clients have told their contexts elsewhere (ADR 7).
   */
  mayBeElsewhere(replicaId: number, otherHomes: readonly NodeId[]): boolean {
    let isHome = false;
    for (const [node, stores] of this.#stores) {
      if (!stores.has(replicaId)) continue;
      if (!otherHomes.includes(node)) return true;
      isHome = true;
    }
    // An id that nobody uses any more went with its store, hints and all; but somebody may not have greeted yet.
    return !isHome && this.#others.some((node) => !otherHomes.includes(node) && !this.#stores.has(node));
  }

  /** Comes to rely on what has ripened, the fence first. Never rejects: a store that fails tells its own listeners. */
  advance(): Promise<void> {
    this.#advancing ??= this.#advanceAll()
      .catch(this.#deps.onError)
      .finally(() => {
        this.#advancing = undefined;
      });
    return this.#advancing;
  }

  async #advanceAll(): Promise<void> {
    const { runningMs, storedMark, store } = this.#deps;
    for (const peer of [...this.#all()]) {
      this.#keep(peer, withOwnMark(peer.kept, storedMark(), runningMs(), this.#graceMs));
      const ripe = ripeComparison(peer.kept, runningMs(), this.#graceMs);
      if (ripe === undefined) continue;
      const { replicaId } = ripe.process;
      // They stand before anything is awaited: a store that is refused by one cannot make the comparison untrue meanwhile.
      const raised = [this.#raiseFence(replicaId, { process: ripe.process, mark: ripe.peerMark })];
      for (const gone of this.#storesBefore(peer.node, replicaId)) {
        raised.push(this.#raiseFence(gone, completeFence(gone)));
      }
      await Promise.all(raised);
      const relied = relyOn(peer.kept, ripe, runningMs(), this.#graceMs);
      await store.putComparisons(
        { peer: peer.node, replication: peer.replication, kept: relied },
        { sync: true },
      );
      // Others may have ended meanwhile.
      const late = peer.kept.ripening.filter((each) => each.startedAtMs > ripe.startedAtMs);
      peer.kept = { ripening: late, relied: relied.relied };
      this.counters.reliedOn++;
    }
  }

  /** Resolves when the fence is on stable storage, if it is the stricter one. */
  async #raiseFence(replicaId: number, raised: Fence): Promise<void> {
    const before = this.#fences.get(replicaId);
    const fence = stricterFence(before, raised);
    if (fence === before) return;
    this.#fences.set(replicaId, fence);
    await this.#deps.store.putFence(replicaId, fence);
  }

  /** Those that the node had before this one. What has come after it holds what it held, or it could not be relied on. */
  #storesBefore(node: NodeId, replicaId: number): readonly number[] {
    const ever = this.#everStores.get(node) ?? [];
    return ever.slice(0, Math.max(0, ever.lastIndexOf(replicaId)));
  }

  /** The node has come with this store, or come back with it. */
  #isStoreOf(node: NodeId, replicaId: number): void {
    const ever = this.#everStores.get(node) ?? [];
    if (ever.at(-1) === replicaId) return;
    const now = [...ever.filter((each) => each !== replicaId), replicaId].slice(-storesMax);
    this.#everStores.set(node, now);
    this.#deps.store.putStores(node, now).catch(this.#deps.onError);
  }

  #keep(peer: Peer, kept: PeerComparisons): void {
    if (kept === peer.kept) return;
    this.counters.forgotten += Math.max(0, peer.kept.ripening.length - kept.ripening.length);
    peer.kept = kept;
    const { node, replication } = peer;
    this.#deps.store
      .putComparisons({ peer: node, replication, kept }, { sync: false })
      .catch(this.#deps.onError);
  }

  /** The newest that was relied on of any store of the node. */
  #fenceOf(node: NodeId): Fence | undefined {
    let fence: Fence | undefined;
    for (const peers of this.#peers.values()) {
      const relied = peers.get(node)?.kept.relied.at(-1);
      if (relied !== undefined)
        fence = stricterFence(fence, { process: relied.process, mark: relied.peerMark });
    }
    return fence;
  }

  *#all(): Iterable<Peer> {
    for (const peers of this.#peers.values()) yield* peers.values();
  }

  #peer(replication: number, node: NodeId): Peer {
    let peers = this.#peers.get(replication);
    if (peers === undefined) {
      peers = new Map();
      this.#peers.set(replication, peers);
    }
    let peer = peers.get(node);
    if (peer === undefined) {
      peer = { node, replication, kept: noComparisons, latest: undefined };
      peers.set(node, peer);
    }
    return peer;
  }
}

function least(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : Math.min(one, other);
}
