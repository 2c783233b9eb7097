/**
 * All that a seed decides, written out: who takes part, the weather, every fault with its time. A plan is plain data, so
 * that a failing one can be kept as a file, and made smaller by leaving out faults and clients: nothing else moves then,
 * because each client, link and disk has a stream of chance of its own.
 */

/** Everything that one run needs. */
export interface SeedPlan {
  readonly seed: number;
  /** Ids of the nodes: `n1` to `n7`. */
  readonly nodes: readonly string[];
  readonly partitions: number;
  readonly network: NetworkWeather;
  readonly disk: DiskWeather;
  readonly clocks: readonly ClockPlan[];
  readonly clients: readonly ClientPlan[];
  readonly faults: readonly FaultPlan[];
  /** How often each marked rare path is taken, in percent. A path that is not named: never. */
  readonly rarePaths: Readonly<Record<string, number>>;
  /** Whose story it was drawn for; for people and statistics. */
  readonly profile?: PlanProfile | undefined;
  /** How the replicas keep each other equal; absent: tombstones are kept for a day. */
  readonly repair?: RepairPlan | undefined;
  /** What failure detection is put to when all else is over; absent: nothing. */
  readonly trial?: DetectionTrial | undefined;
}

/**
 * What a seed is about. `mixed`: everything in different shares. `crash`: processes and machines that end. `pause`: processes
 * that stand still or get little time. `partition`: networks that are cut. `wiped-disk`, `restored-disk`: a node that comes
 * back with nothing, or with what it held some time ago. `skew`: clocks that are wrong, jump and stand still. `slow-peers`:
 * nodes that answer late for a long time. `long-absence`: a node that is away for several times the grace of tombstones.
 * `deletes`: keys that are deleted and created again, a replica that is away meanwhile, and tombstones that are collected.
 * `quiet`: nothing fails.
 */
export type PlanProfile =
  | 'mixed'
  | 'crash'
  | 'pause'
  | 'partition'
  | 'wiped-disk'
  | 'restored-disk'
  | 'skew'
  | 'slow-peers'
  | 'long-absence'
  | 'deletes'
  | 'quiet';

export interface RepairPlan {
  /** Tombstones are kept for at least so long. Absent: for a day, as in production. */
  readonly graceMs?: number | undefined;
  /** A node compares its replicas with those of each peer about every so many milliseconds. */
  readonly comparisonMs: number;
}

/**
 * `crash`: a process ends, and all must see it FAILED. `power`: a machine does, and nobody is told. `link`: two nodes do not
 * hear each other, and as the others hear both, neither may become FAILED.
 */
export type DetectionTrial = 'crash' | 'power' | 'link';

/** What is usual between any two hosts. Microseconds; chances in percent of frames. */
export interface NetworkWeather {
  readonly latencyMin: number;
  readonly latencyMax: number;
  /** A frame that is lost comes again after this: TCP sees to it. */
  readonly lossPercent: number;
  readonly retransmitMicros: number;
  /** Frames that take long, up to `spikeMicros`. */
  readonly spikePercent: number;
  readonly spikeMicros: number;
  /** Streams that break for no reason, in one of 10,000 frames. */
  readonly resetPerTenThousand: number;
  /** A sender is asked to pause above so many bytes under way. Default 1 MiB. */
  readonly sendBytesMax?: number | undefined;
}

/** What is usual for a disk. Microseconds. */
export interface DiskWeather {
  readonly writeMin: number;
  readonly writeMax: number;
  readonly syncMin: number;
  readonly syncMax: number;
  readonly stallPercent: number;
  readonly stallMicros: number;
}

/** How a node's clocks are wrong. */
export interface ClockPlan {
  readonly node: string;
  readonly wallOffsetMicros: number;
  /** Of both clocks, in parts per million. */
  readonly driftPpm: number;
}

export interface ClientPlan {
  readonly name: string;
  readonly seed: number;
  /** Operations that it does before it stops. */
  readonly operations: number;
  readonly profile: ClientProfile;
  /** Virtual time between two of its operations, on average. */
  readonly pauseMs: number;
  readonly keys: readonly KeyName[];
  /** So many in a hundred writes ask not to wait for the disk; absent: as few as usual. */
  readonly bufferedPercent?: number | undefined;
}

export interface KeyName {
  readonly bucket: string;
  readonly key: string;
}

/**
 * `register`: the only writer of its keys, with contexts, at QUORUM: checked as a linearizable register. `session`: reads
 * and writes at weak levels with `min_context`. `merger`: reads, then writes with the context. `blind`: writes without.
 * `retrier`: sends with request ids, again through other nodes. `deleter`: deletes and re-creates. `expirer`: TTL and touch.
 * `batcher`: batches. `streamer`: pipelines. `reader`: reads only. `mixed`: a little of all.
 */
export type ClientProfile =
  | 'register'
  | 'session'
  | 'merger'
  | 'blind'
  | 'retrier'
  | 'deleter'
  | 'expirer'
  | 'batcher'
  | 'streamer'
  | 'reader'
  | 'mixed';

/** One fault: begins at `atMs` of virtual time and, where it lasts, ends `forMs` later or when the faults end. */
export type FaultPlan = { readonly id: number; readonly atMs: number } & FaultKind;

export type FaultKind =
  /** The process dies and starts again; with `power` the machine does, and loses what was not synced. */
  | {
      readonly kind: 'crash';
      readonly node: string;
      readonly downMs: number;
      readonly power: boolean;
      /** Waits a little for a moment at which the disk has something to lose. */
      readonly midWrite?: boolean | undefined;
    }
  /** Stopped as by SIGSTOP. */
  | { readonly kind: 'suspend'; readonly node: string; readonly forMs: number }
  /** Stopped and started in good order. */
  | { readonly kind: 'restart'; readonly node: string; readonly downMs: number }
  /** Nothing passes between the two groups; `one-way`: from the first to the second. Clients are on neither side. */
  | {
      readonly kind: 'partition';
      readonly from: readonly string[];
      readonly to: readonly string[];
      readonly direction: 'both' | 'one-way';
      readonly forMs: number;
    }
  /** All streams between the two break. */
  | { readonly kind: 'cut'; readonly from: string; readonly to: string }
  /** Everything between the two takes so much longer. */
  | {
      readonly kind: 'slow-link';
      readonly from: string;
      readonly to: string;
      readonly extraMs: number;
      readonly forMs: number;
    }
  /** One end believes in the connection, the other has forgotten it. */
  | { readonly kind: 'half-open'; readonly from: string; readonly to: string; readonly forMs: number }
  /** Clients do not reach the node, or its answers do not reach them. */
  | {
      readonly kind: 'client-cut';
      readonly node: string;
      readonly direction: 'requests' | 'answers';
      readonly forMs: number;
    }
  /** Every event of the process comes so much later: an overloaded machine. */
  | { readonly kind: 'slow-process'; readonly node: string; readonly lagMs: number; readonly forMs: number }
  | { readonly kind: 'slow-disk'; readonly node: string; readonly factor: number; readonly forMs: number }
  /** The next write fails; the process ends, and starts again `downMs` later with a disk that works. */
  | {
      readonly kind: 'disk-error';
      readonly node: string;
      /** Whether the batch that failed is on the disk nevertheless. */
      readonly applied: boolean;
      readonly downMs: number;
    }
  /** So many in a hundred reads of a key fail. The process goes on. */
  | { readonly kind: 'read-error'; readonly node: string; readonly percent: number; readonly forMs: number }
  /** Every write fails for lack of room until space is made. */
  | { readonly kind: 'disk-full'; readonly node: string; readonly forMs: number }
  /** Bits of stored records rot. */
  | { readonly kind: 'bit-flip'; readonly node: string; readonly records: number }
  /** The disk is replaced by an empty one. */
  | { readonly kind: 'wipe'; readonly node: string; readonly downMs: number }
  /** The disk is replaced by a copy of `ageMs` ago. */
  | {
      readonly kind: 'restore';
      readonly node: string;
      readonly ageMs: number;
      readonly downMs: number;
      /**
       * A snapshot of the volume: the files keep their marks, and only the peers can tell. Not drawn, because what they cannot
       * tell is known (ADR 10: the last two seconds, a node that nobody reaches); simulation.test.ts has one that they can.
       */
      readonly belowFileSystem?: boolean | undefined;
    }
  | { readonly kind: 'clock-jump'; readonly node: string; readonly byMs: number }
  | { readonly kind: 'clock-stop'; readonly node: string; readonly forMs: number };
