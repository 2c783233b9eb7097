/**
 * Every knob of a node, as the code sees it: checked, complete, with whole words and the unit last. A configuration file
 * writes the same names in snake_case (`timeouts.request_ms` is `timeouts.requestMs` here). `parse-config.ts` reads and
 * checks; `docs/operating/configuration.md` tells operators the same, and a test keeps the two in step.
 */

import type { Bucket } from '../core/bucket.ts';
import type { NodeId } from '../core/identity.ts';

/** Where records are kept. `memory` forgets everything with the process: tests and caches only. */
export type StorageEngineKind = 'lsm' | 'btree' | 'memory';

/** How much is logged; each level includes those before it. */
export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';

/** The complete, checked configuration of one node. */
export interface Config {
  readonly cluster: ClusterConfig;
  /** Id of the member that this process is. Default: the only member, where there is just one. */
  readonly node: NodeId;
  /** All nodes of the cluster, this one included, sorted by id. 1 to 1,000. Equal on every node. */
  readonly members: readonly MemberConfig[];
  /** All buckets, sorted by name; `default` is always among them. Equal on every node. */
  readonly buckets: readonly Bucket[];
  readonly listen: ListenConfig;
  readonly storage: StorageConfig;
  readonly timeouts: TimeoutConfig;
  readonly limits: LimitConfig;
  readonly peers: PeerConfig;
  readonly heartbeat: HeartbeatConfig;
  readonly failureDetector: FailureDetectorConfig;
  readonly gossip: GossipConfig;
  readonly hints: HintConfig;
  readonly reads: ReadConfig;
  readonly background: BackgroundConfig;
  readonly antiEntropy: AntiEntropyConfig;
  readonly tombstones: TombstoneConfig;
  readonly clock: ClockConfig;
  readonly log: LogConfig;
}

/** What makes these nodes one cluster. Fixed when it is created. */
export interface ClusterConfig {
  /** Name that peers and context tokens must share: `[a-z0-9-]{1,63}`. Nodes with another id refuse each other. Default `kindred`. */
  readonly id: string;
  /**
   * N: copies of each key, on distinct zones where there are enough. Default: 3, or the number of members when there are
   * fewer. More survives more failures and costs that many times the disk; QUORUM goes on with floor((N - 1) / 2) down.
   */
  readonly replication: number;
  /**
   * Q: equal cuts of the ring, a power of two from 8 to 65,536, fixed when the cluster is created. Default 4,096. More
   * spreads load more evenly over many nodes and costs table space: 40 or more per node is good (16,384 for 100 nodes).
   */
  readonly partitions: number;
}

/** One node, as every other node reaches it. */
export interface MemberConfig {
  /** Name of the node, for ever: `[a-z0-9-]{1,63}`. Its places on the ring are derived from it. */
  readonly id: NodeId;
  /** Name or address that the other nodes and the clients dial. */
  readonly host: string;
  /** Port of the client API (gRPC). Default 7400. */
  readonly clientPort: number;
  /** Port that only peers use (gRPC). Default 7500. Never offer it to clients. */
  readonly peerPort: number;
  /** Port of /metrics, /healthz and /readyz (HTTP). Default 7600. */
  readonly httpPort: number;
  /**
   * What fails together: a host, a rack, an availability zone. Copies of a key go to distinct zones first. Default: the
   * node's id. Nodes that share a machine must share a zone, or one machine may hold two copies.
   */
  readonly zone: string;
  /** Share of the keys, relative to other members: 0.1 to 10, default 1. The node gets 160 x weight places on the ring. */
  readonly weight: number;
}

/** Where this process binds. */
export interface ListenConfig {
  /** Address to bind all three ports on. Default: the host of this node's member. `0.0.0.0` or `::` inside containers. */
  readonly host: string;
  /**
   * Who speaks HTTP/2 with clients. `own` (default): this program (`src/rpc/http2`). `node`: Node's node:http2, which takes five
   * times the CPU for each call and has been used by many for long: a way out, should a client not get along with the first.
   */
  readonly http2: 'own' | 'node';
}

/** Where and how records are kept. */
export interface StorageConfig {
  /** `lsm` (LevelDB: fast writes, default), `btree` (LMDB: fast reads, larger files) or `memory` (forgets). Fixed per data directory. */
  readonly engine: StorageEngineKind;
  /** Data directory of this node alone. Default `./data/<node>`. A node that finds it empty is a new replica. */
  readonly path: string;
  /**
   * What is verified before the store is opened. `full` (default): every checksum and the shape of the tree, so that damage
   * shows as a refusal to start; reads all files, about 300 MB a second. `quick`: only the logs; damage elsewhere then shows
   * as missing or damaged records, and may end the process with the B-tree.
   */
  readonly integrityCheck: 'full' | 'quick';
  /**
   * Memory for records that are asked for often. Default 64 MiB, which holds about 90,000 small ones; 0 keeps none. It spares the
   * engine and two checksums: a third of what a pipelined read of a small record cost at ONE (ADR 23).
   */
  readonly recordCacheBytes: number;
}

/** How long things may take, in milliseconds. */
export interface TimeoutConfig {
  /** For a request without a deadline. Default 5,000. Longer hides slow replicas; shorter turns hiccups into UNKNOWN outcomes. */
  readonly requestMs: number;
  /** The most that a client may ask for; longer deadlines are cut. Default 10,000; at least `requestMs`. Bounds what one client can hold. */
  readonly requestMsMax: number;
  /**
   * How much before the client's deadline the server gives up, so that its ErrorDetail still arrives. Default 50; less than
   * half of `requestMs`. At least one network round trip to the farthest client.
   */
  readonly deadlineMarginMs: number;
  /** How long a stop (SIGTERM) waits for requests in flight before it closes the stores. Default 10,000. Give the process manager more than this. */
  readonly drainMs: number;
}

/** What one request, one connection and one node may ask of this node. Nodes of one cluster should agree on the first five. */
export interface LimitConfig {
  /** Longest key, in bytes. Default (and most) 1,024: the B-tree engine bounds it. */
  readonly keyBytesMax: number;
  /** Content type, metadata names and values of one value together, in bytes. Default 4 KiB. */
  readonly metadataBytesMax: number;
  /**
   * Largest record (all siblings of a key, encoded), in bytes. Default 8 MiB. At least twice the
   * largest `value_bytes_max` of a bucket, because two writers may race.
   */
  readonly recordBytesMax: number;
  /** Items of one batch. Default 1,000. */
  readonly batchItemsMax: number;
  /** Encoded size of one batch, in bytes. Default 4 MiB. */
  readonly batchBytesMax: number;
  /**
   * Largest gRPC message a client may send, in bytes. Default 5 MiB. At least `batchBytesMax`, and the largest
   * value of a bucket, each with 64 KiB for what surrounds them. Memory of the door: up to connections x streams x this.
   */
  readonly messageBytesMax: number;
  /** Request headers of one call, in bytes. Default 8 KiB. */
  readonly headerBytesMax: number;
  /** Calls open at once on one client connection. Default 256. */
  readonly streamsPerConnectionMax: number;
  /** Client connections. Default 1,000. More are closed when they open. */
  readonly connectionsMax: number;
  /** A connection without calls is closed after this, in milliseconds. Default 300,000. */
  readonly connectionIdleMs: number;
  /** A connection is closed politely after this, in milliseconds, so that balancers spread clients again. Default 3,600,000. */
  readonly connectionAgeMs: number;
  /** Requests being worked on at once; more are refused with RESOURCE_EXHAUSTED. Default 4,096. Rule: throughput x slowest usual latency. */
  readonly requestsInFlightMax: number;
  /**
   * A request that has waited longer than this for its turn, while more come than the node does, is refused with
   * RESOURCE_EXHAUSTED, in milliseconds. Default 100. Lower: answers come sooner under overload, and more are refused. Bursts of
   * up to 100 ms are never refused.
   */
  readonly queueMsMax: number;
  /** Bytes of those requests together. Default 256 MiB; at least `messageBytesMax`. Rule: a quarter of the memory of the process. */
  readonly bytesInFlightMax: number;
  /** Operations in flight on one Pipeline stream; beyond it the server reads no further. Default 1,024. */
  readonly pipelineOperationsMax: number;
}

/** The links to the other nodes. */
export interface PeerConfig {
  /** Bytes waiting for one peer's data channel; beyond it a send fails at once. Default 64 MiB; at least `frameBytesMax`. */
  readonly queueBytesMax: number;
  /**
   * Largest frame between peers, in bytes. Default 40 MiB; at least N + 1 times `limits.recordBytesMax` and 64 KiB: each of
   * the N replicas bounds the records that it writes, and the merge of what they wrote at the same time is never refused.
   */
  readonly frameBytesMax: number;
  /** First pause before a broken link is dialled again, in milliseconds; doubles, with jitter, up to `reconnectMsMax`. Default 100. */
  readonly reconnectMs: number;
  /** Longest pause between dials, in milliseconds. Default 5,000. Longer spares dead peers; a healed one waits up to this. */
  readonly reconnectMsMax: number;
}

/** Signs of life between nodes. */
export interface HeartbeatConfig {
  /** Pause between heartbeats to each peer, in milliseconds. Default 500. */
  readonly intervalMs: number;
}

/** How silent peers are judged: phi accrual, helpers that probe, and in large clusters what others say. */
export interface FailureDetectorConfig {
  /** A peer is SUSPECT from this phi on: reads prefer others. Default 5: a silence that one heartbeat in 100,000 has. */
  readonly suspectPhi: number;
  /**
   * A peer is FAILED from this phi on, if no helper reaches it: it is counted on no more, and hints stand in for it. Default 8;
   * at least `suspectPhi`. Higher mistakes pauses for death less often and notices deaths later.
   */
  readonly failedPhi: number;
  /**
   * Silence beyond the usual that is nothing yet, in milliseconds: pauses of the peer's process, load, lost packets. Default
   * 2,000; at least `heartbeat.intervalMs`. A silent peer is suspect about this and 900 ms after its last answer.
   */
  readonly acceptablePauseMs: number;
  /** The times between answers deviate by at least this, in milliseconds. Default 100. Less suspects very even peers for a hiccup. */
  readonly deviationMsMin: number;
  /** Times between answers that are remembered for each peer. Default 1,000: eight minutes. */
  readonly samplesMax: number;
  /** Helpers that are asked to probe a suspect have so long to answer, in milliseconds. Default 500; at least a round trip and a half. */
  readonly probeTimeoutMs: number;
  /** A suspect that helpers reach, but this node does not, is FAILED after this, in milliseconds. Default 5,000; at least `probeTimeoutMs`. */
  readonly suspicionMs: number;
  /**
   * In a cluster of more than twice this a node listens to so many others only, and takes for the rest what those say who
   * listen to them. Default 32. More costs heartbeats, less leaves fewer witnesses for each failure.
   */
  readonly watchedMax: number;
}

/** How what nodes say of themselves, and of whom they found silent, spreads. */
export interface GossipConfig {
  /**
   * Pause between rounds, in milliseconds; each is up to half longer or shorter. Default 1,000. In a round a node exchanges news
   * with one other. Shorter spreads them sooner and costs a message each way that often.
   */
  readonly intervalMs: number;
  /** Largest message, in bytes. Default 64 KiB. What does not fit comes in later rounds, the oldest first. */
  readonly messageBytesMax: number;
  /** Ids of members that are asked a little more often, so that islands find each other. Default: the first three by id. */
  readonly seeds: readonly string[];
}

/** What is kept for replicas that missed writes because they were away. */
export interface HintConfig {
  /**
   * Hints kept on this node, in bytes. Default 1 GiB. Beyond it writes that count hints are refused, and what others miss is left
   * to anti-entropy: more brings replicas level after longer outages and costs that much disk.
   */
  readonly bytesMax: number;
  /**
   * A hint that waits longer is dropped, in milliseconds, and left to anti-entropy. Default 10,800,000 (3 h). Not so those that
   * a client was told count. Longer costs disk, and hands over what anti-entropy would have found quicker.
   */
  readonly ageMsMax: number;
  /**
   * What this node hands over to one that is back, in bytes a second. Default 16 MiB. All peers do at the same time: more
   * brings it level sooner and takes its disk from clients.
   */
  readonly replayBytesPerSecond: number;
}

/** How reads trade extra work for latency. */
export interface ReadConfig {
  /**
   * A read asks one more replica when the slowest has not answered within this many times its usual latency. Default 3;
   * 0 never hedges. Lower cuts the tail and costs replicas more reads.
   */
  readonly hedgeFactor: number;
  /** A read is never hedged earlier than this, in milliseconds. Default 5. */
  readonly hedgeMsMin: number;
  /**
   * Chance that a read below QUORUM is followed, in the background, by a comparison of all replicas and the repair of those
   * that are behind. From 0 to 1, default 0.1. Higher heals sooner and costs a read of every replica that often.
   */
  readonly repairChance: number;
}

/** When deletions, and values that have expired, are forgotten. */
export interface TombstoneConfig {
  /**
   * For how long a deletion is kept at least, in milliseconds, counted while the node runs. Default 24 hours. Longer costs disk;
   * shorter leaves less time for messages that are late, and drops the hints of nodes that were away (they have to be younger
   * than a quarter of it). At least `timeouts.requestMsMax` + 10 s. The same on all nodes. A node that is away for longer keeps its
   * data: it holds up the forgetting of what it shares.
   */
  readonly graceMs: number;
}

/** How much a node spends on work that no client waits for: hints, repairs, comparisons of replicas. */
export interface BackgroundConfig {
  /**
   * Bytes a second that hints and repairs together may move, and comparisons again as much. Default 32 MiB. More heals sooner and
   * takes disk and network from clients; under their load it falls by itself.
   */
  readonly bytesPerSecond: number;
  /** Keys a second, likewise. Default 10,000: small records cost by the key. Trees are read from the disk 20 times as fast. */
  readonly keysPerSecond: number;
  /** The part of both that remains when clients ask for all the node can do: more than 0, to 1. Default 0.05. 1 never yields. */
  readonly shareMin: number;
}

/** How replicas are compared without anybody asking, and made equal. */
export interface AntiEntropyConfig {
  /**
   * Whether this node compares its records with those of its peers. Default true. Without it, differences that neither a hint
   * nor a read mends stay for ever, and deletions are never collected. The trees are kept, and peers answered, all the same.
   */
  readonly enabled: boolean;
  /**
   * Each peer is compared with about this often, in milliseconds. Default 10,000. Shorter heals sooner what hints did not, and
   * costs a few hundred bytes and an fsync of the peer each time, even when nothing differs.
   */
  readonly intervalMs: number;
  /**
   * Each tree is read anew from the disk about this often, in milliseconds. Default 604,800,000 (7 days). Shorter finds bits
   * that have rotted sooner, and reads the whole disk that often.
   */
  readonly rebuildIntervalMs: number;
}

/** How much clocks of other machines are believed. */
export interface ClockConfig {
  /** A peer's clock further ahead than this is not adopted, and shown, in milliseconds. Default 10,000. */
  readonly aheadMsMax: number;
}

/** What is written to the log. */
export interface LogConfig {
  /** Default `info`. `debug` names every connection; `trace` is for developers. */
  readonly level: LogLevel;
  /** `pretty` for people, `json` for machines. Default: `pretty` on a terminal, else `json`. */
  readonly format: 'pretty' | 'json';
}

/** The member that this node is. */
export function ownMember(config: Config): MemberConfig {
  const own = config.members.find((member) => member.id === config.node);
  if (own === undefined) throw new Error(`assertion failed: node ${config.node} is no member`);
  return own;
}

/**
 * What all nodes of a cluster must agree on, as canonical JSON: sorted, no spaces, equal text exactly when equal. Peers
 * compare it when a link opens; {@link configurationDifferences} then says what differs.
 */
export function canonicalConfiguration(config: Config): string {
  const { buckets, cluster, members } = config;
  return canonicalJson(asWritten({ buckets, cluster, members }));
}

/** A configuration, or a part of one, with the names of the file (`request_ms`): a file may say just this. */
export function asWritten(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asWritten);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      asWritten(member),
    ]),
  );
}

/**
 * The fields in which two canonical configurations differ, one line each: `members.n2.zone: "a" here, "b" there`. Empty
 * when they are equal. At most 20 lines, the rest counted in a last one. Throws SyntaxError when one is not JSON.
 */
export function configurationDifferences(here: string, there: string): string[] {
  const ours = flatten(JSON.parse(here));
  const theirs = flatten(JSON.parse(there));
  const lines: string[] = [];
  for (const path of [...new Set([...ours.keys(), ...theirs.keys()])].sort()) {
    const left = ours.get(path);
    const right = theirs.get(path);
    if (left !== right) lines.push(`${path}: ${left ?? 'absent'} here, ${right ?? 'absent'} there`);
  }
  const shown = lines.slice(0, DIFFERENCES_SHOWN_MAX);
  if (lines.length > shown.length) shown.push(`and ${lines.length - shown.length} more`);
  return shown;
}

const DIFFERENCES_SHOWN_MAX = 20;

/** JSON with sorted member names. `undefined` members are left out, as JSON.stringify does. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value);
}

/** Leaves by path. Items of a list go by their id or name, so that a missing member does not shift all that follow. */
function flatten(value: unknown, path = '', into: Map<string, string> = new Map()): Map<string, string> {
  if (typeof value !== 'object' || value === null) {
    into.set(path, JSON.stringify(value));
    return into;
  }
  for (const [index, member] of Object.entries(value)) {
    const name = Array.isArray(value) ? String(member?.id ?? member?.name ?? index) : index;
    flatten(member, path === '' ? name : `${path}.${name}`, into);
  }
  return into;
}
