/**
 * What a node knows of all members, and how two nodes reconcile it: Scuttlebutt (van Renesse, Dumitriu, Gough, Thomas,
 * "Efficient Reconciliation and Flow Control for Anti-Entropy Protocols", LADIS 2008, section 3), with the generations of
 * Cassandra's Gossiper.
 *
 * The laws:
 * - Only a member writes its entries; every write takes the next version. A newer generation replaces all of an older one.
 * - Who knows a member up to version v knows everything that it last wrote at or below v. So news are sent oldest first, and
 *   a message that is full ends with a beginning of them: never with a gap.
 * - Merging takes the newer; it may come twice, late and in any order.
 *
 * Nothing here decides who is up or who owns a key.
 */

import { assert } from '../assert.ts';
import {
  deltaOverheadBytes,
  digestBytes,
  entriesMax,
  entryBytes,
  keyBytesMax,
  type MemberDelta,
  type MemberDigest,
  type StateEntry,
  utf8Bytes,
  valueBytesMax,
} from './gossip-message.ts';

/** What to answer to the digests of another node. */
export interface GossipAnswer {
  /** What it lacks. */
  readonly deltas: readonly MemberDelta[];
  /** How far this node knows the members of which the other knows more. */
  readonly wanted: readonly MemberDigest[];
}

/** Entries of one member that were new. */
export interface MemberNews {
  readonly node: string;
  /** The member began anew: what was known of its earlier life is gone. */
  readonly restarted: boolean;
  readonly entries: readonly StateEntry[];
}

/** What was ignored, by reason, and what was cut. They only grow. */
export interface GossipStateCounters {
  /** Members that are not in the configuration. */
  unknownMembers: number;
  /** Generations more than a day ahead of this node's clock. */
  futureGenerations: number;
  /** Others' claims to know more of this node than it has written: those of an earlier life whose clock was ahead. */
  ownEntriesClaimed: number;
  /** Deltas out of order, or with more than a member may have. */
  refusedDeltas: number;
  /** Messages that could not take all news. */
  messagesCut: number;
}

/** Whose state it is. */
export interface GossipStateOptions {
  readonly self: string;
  /** All members of the cluster, this node among them. */
  readonly members: readonly string[];
  /** Of this process: greater than those of all earlier ones, usually the time of its start in microseconds since 1970. */
  readonly generation: number;
}

/** A generation may be ahead of this node's clock by so much. */
const futureMicrosMax = 24 * 60 * 60 * 1_000_000;
const none: readonly StateEntry[] = [];

interface Member {
  readonly node: string;
  generation: number;
  version: number;
  /** By version. One for each key. */
  entries: readonly StateEntry[];
}

/** The state of one node. */
export class GossipState {
  readonly counters: GossipStateCounters = {
    unknownMembers: 0,
    futureGenerations: 0,
    ownEntriesClaimed: 0,
    refusedDeltas: 0,
    messagesCut: 0,
  };
  readonly #members: readonly Member[];
  readonly #byNode: ReadonlyMap<string, Member>;
  readonly #own: Member;
  #revision = 0;

  constructor({ self, members, generation }: GossipStateOptions) {
    assert(generation > 0, 'a generation is positive: 0 means that nothing is known');
    this.#members = [...new Set(members)]
      .sort()
      .map((node): Member => ({ node, generation: 0, version: 0, entries: none }));
    this.#byNode = new Map(this.#members.map((member) => [member.node, member]));
    const own = this.#byNode.get(self);
    assert(own !== undefined, `${self} is a member`);
    this.#own = own;
    own.generation = generation;
  }

  /** Grows with every change: digests of one revision are equal. */
  get revision(): number {
    return this.#revision;
  }

  /** Members of the cluster, this node among them. */
  get memberCount(): number {
    return this.#members.length;
  }

  /** Writes an entry of this node. Nothing happens if it says that already. */
  set(key: string, value: string): void {
    assert(key !== '' && utf8Bytes(key) <= keyBytesMax, `the key of an entry has 1 to ${keyBytesMax} bytes`);
    assert(utf8Bytes(value) <= valueBytesMax, `the value of an entry has at most ${valueBytesMax} bytes`);
    const own = this.#own;
    if (own.entries.some((entry) => entry.key === key && entry.value === value)) return;
    const others = own.entries.filter((entry) => entry.key !== key);
    assert(others.length < entriesMax, `a member has at most ${entriesMax} entries`);
    own.version++;
    own.entries = [...others, { key, value, version: own.version }];
    this.#revision++;
  }

  /** What a member says under a key, as far as this node has heard. */
  get(node: string, key: string): string | undefined {
    return this.#byNode.get(node)?.entries.find((entry) => entry.key === key)?.value;
  }

  /** All that is known of a member, oldest first. */
  entriesOf(node: string): readonly StateEntry[] {
    return this.#byNode.get(node)?.entries ?? none;
  }

  /** How far a member is known. */
  digestOf(node: string): MemberDigest {
    const { generation, version } = this.#byNode.get(node) ?? { generation: 0, version: 0 };
    return { node, generation, version };
  }

  /**
   * How far this node knows its members, in the order of their names, as many as fit. Where not all do they begin with
   * member `from`: a random number gives each its turn.
   */
  digests(bytesMax: number, from: number): readonly MemberDigest[] {
    const digests = this.#members.map(({ node, generation, version }) => ({ node, generation, version }));
    let bytes = 0;
    for (const digest of digests) bytes += digestBytes(digest);
    return bytes <= bytesMax ? digests : this.#fitting(digests, bytesMax, from);
  }

  /**
   * Compares with what another node knows. `from` is a random number: where not all fits, it says with which member to
   * begin, so that each has its turn.
   */
  answer(theirs: readonly MemberDigest[], bytesMax: number, from: number, wallMicros: number): GossipAnswer {
    let wanted: MemberDigest[] = [];
    const behind: MemberDigest[] = [];
    for (const digest of theirs) {
      const member = this.#known(digest, wallMicros);
      if (member === undefined) continue;
      const { node, generation, version } = member;
      if (isNewer(digest, member)) wanted.push({ node, generation, version });
      else if (isNewer(member, digest)) behind.push(digest);
    }
    let wantedBytes = 0;
    for (const digest of wanted) wantedBytes += digestBytes(digest);
    if (wantedBytes > bytesMax / 2) {
      wanted = this.#fitting(wanted, bytesMax / 2, from);
      wantedBytes = bytesMax / 2;
    }
    return { wanted, deltas: this.deltas(behind, bytesMax - wantedBytes, from, wallMicros) };
  }

  /** What another node lacks that knows members as far as it says: oldest versions first, as many as fit. */
  deltas(
    wanted: readonly MemberDigest[],
    bytesMax: number,
    from: number,
    wallMicros: number,
  ): readonly MemberDelta[] {
    const deltas: MemberDelta[] = [];
    let left = bytesMax;
    for (let i = 0; i < wanted.length; i++) {
      const digest = wanted[(from + i) % wanted.length] as MemberDigest;
      const member = this.#known(digest, wallMicros);
      if (member === undefined || !isNewer(member, digest)) continue;
      const { node, generation, entries } = member;
      left -= deltaOverheadBytes(node, generation);
      const news: StateEntry[] = [];
      for (const entry of entries) {
        if (generation === digest.generation && entry.version <= digest.version) continue;
        const bytes = entryBytes(entry);
        if (bytes > left) {
          this.counters.messagesCut++;
          if (news.length > 0) deltas.push({ node, generation, entries: news });
          return deltas;
        }
        left -= bytes;
        news.push(entry);
      }
      if (news.length > 0) deltas.push({ node, generation, entries: news });
    }
    return deltas;
  }

  /** Takes in what another node has sent, and says what of it was new. */
  merge(deltas: readonly MemberDelta[], wallMicros: number): readonly MemberNews[] {
    const news: MemberNews[] = [];
    for (const delta of deltas) {
      const last = delta.entries.at(-1);
      if (last === undefined) continue;
      const { node, generation } = delta;
      const member = this.#known({ node, generation, version: last.version }, wallMicros);
      if (member === undefined || member === this.#own || generation < member.generation) continue;
      const found = this.#mergeOne(member, delta);
      if (found !== undefined) news.push(found);
    }
    if (news.length > 0) this.#revision++;
    return news;
  }

  #mergeOne(member: Member, { node, generation, entries }: MemberDelta): MemberNews | undefined {
    const restarted = generation > member.generation;
    const byKey = new Map<string, StateEntry>();
    let version = 0;
    if (!restarted) {
      for (const entry of member.entries) byKey.set(entry.key, entry);
      version = member.version;
    }
    const fresh: StateEntry[] = [];
    let last = 0;
    for (const entry of entries) {
      if (entry.version <= last) return this.#refuse();
      last = entry.version;
      if (entry.version <= version) continue;
      fresh.push(entry);
      // A key written again is the newest: behind all others.
      byKey.delete(entry.key);
      byKey.set(entry.key, entry);
    }
    if (byKey.size > entriesMax) return this.#refuse();
    if (fresh.length === 0) return undefined;
    member.generation = generation;
    member.version = last;
    member.entries = [...byKey.values()];
    return { node, restarted, entries: fresh };
  }

  #refuse(): undefined {
    this.counters.refusedDeltas++;
    return undefined;
  }

  /** The member that a digest is about, unless the digest is to be ignored. */
  #known({ node, generation, version }: MemberDigest, wallMicros: number): Member | undefined {
    const member = this.#byNode.get(node);
    if (member === undefined) {
      this.counters.unknownMembers++;
      return undefined;
    }
    if (generation > wallMicros + futureMicrosMax) {
      this.counters.futureGenerations++;
      return undefined;
    }
    if (member === this.#own && isNewer({ generation, version }, member)) {
      // An earlier life, under a clock that was ahead. This one is the newer all the same, and has to say so.
      this.counters.ownEntriesClaimed++;
      member.generation = generation + 1;
      this.#revision++;
    }
    return member;
  }

  #fitting(digests: readonly MemberDigest[], bytesMax: number, from: number): MemberDigest[] {
    this.counters.messagesCut++;
    const chosen: MemberDigest[] = [];
    let left = bytesMax;
    for (let i = 0; i < digests.length; i++) {
      const digest = digests[(from + i) % digests.length] as MemberDigest;
      left -= digestBytes(digest);
      if (left < 0) break;
      chosen.push(digest);
    }
    return chosen;
  }
}

type Reach = Pick<MemberDigest, 'generation' | 'version'>;

function isNewer(a: Reach, b: Reach): boolean {
  return a.generation > b.generation || (a.generation === b.generation && a.version > b.version);
}
