/**
 * Direct routing: the client knows which nodes hold a key, and sends it to one of them, which saves the hop through a node
 * that does not. It is only ever a hint: any node serves any key.
 */

import xxhash from 'xxhash-wasm';
import type { Attempts } from './attempts.ts';
import type { Endpoint, Endpoints } from './endpoints.ts';
import type { GetPlacementResponse } from './gen/kindred/v1/topology.ts';
import { type Key, keyBytes } from './options.ts';

/** Where a key lives, as the client computes it. */
export interface KeyPlacement {
  /** Its place on the ring: 16 lower-case hexadecimal digits. */
  readonly token: string;
  /** The ids of the nodes that hold it, best first. */
  readonly homes: readonly string[];
}

/** xxh64 of bytes, seed 0. */
type Hash64 = (bytes: Uint8Array) => bigint;

/** The one way from a key to a token that this client knows, as the topology names it. */
const HASH = 'xxh64';
const REFRESH_MS_MIN = 1000;

/** The homes of the keys of one bucket. */
export class PlacementTable {
  readonly topologyEpoch: number;
  readonly #response: GetPlacementResponse;
  readonly #hash64: Hash64;

  private constructor(response: GetPlacementResponse, hash64: Hash64) {
    this.topologyEpoch = response.topologyEpoch;
    this.#response = response;
    this.#hash64 = hash64;
  }

  /** Undefined when the cluster places keys in a way that this client does not know. */
  static async of(response: GetPlacementResponse): Promise<PlacementTable | undefined> {
    const { hash, partitionBits, replication, homes, nodes } = response;
    const isComplete =
      partitionBits <= 16 &&
      homes.length === replication * 2 ** partitionBits &&
      homes.every((home) => home < nodes.length);
    if (hash !== HASH || !isComplete) return undefined;
    return new PlacementTable(response, await loadHash64());
  }

  /** Where a key lives. */
  place(bucket: string, key: Key): KeyPlacement {
    const token = this.#token(bucket, key);
    return { token: tokenText(token), homes: this.#homes(token).map((index) => this.#node(index).id) };
  }

  /** The addresses of the nodes that hold a key, best first. */
  addresses(bucket: string, key: Key): readonly string[] {
    return this.#homes(this.#token(bucket, key)).map((index) => this.#node(index).address);
  }

  #token(bucket: string, key: Key): bigint {
    return tokenOf(this.#hash64, bucket, key);
  }

  #homes(token: bigint): readonly number[] {
    const { partitionBits, replication, homes } = this.#response;
    const first = partitionOf(token, partitionBits) * replication;
    return homes.slice(first, first + replication);
  }

  #node(index: number): GetPlacementResponse['nodes'][number] {
    return this.#response.nodes[index] as GetPlacementResponse['nodes'][number];
  }
}

/** The tables of the buckets that are used, fetched when needed and again when the layout has changed. */
export class Routing {
  readonly #endpoints: Endpoints;
  readonly #attempts: Attempts;
  readonly #buckets = new Map<string, BucketTable>();

  constructor(endpoints: Endpoints, attempts: Attempts) {
    this.#endpoints = endpoints;
    this.#attempts = attempts;
  }

  /** An endpoint that holds the key, connected or soon to be. Undefined: none is known yet, or none can be reached. */
  preferred(bucket: string, key: Key): Endpoint | undefined {
    const known = this.#bucket(bucket);
    if (known.table === undefined) {
      this.#refresh(bucket, known);
      return undefined;
    }
    for (const address of known.table.addresses(bucket, key)) {
      const endpoint = this.#endpoints.at(address);
      if (endpoint.isConnected || endpoint.worthWaitingMs > 0) return endpoint;
    }
    return undefined;
  }

  /** Tells of the layout that a node answered with. */
  seen(bucket: string, topologyEpoch: number): void {
    const known = this.#buckets.get(bucket);
    if (known?.table !== undefined && known.table.topologyEpoch !== topologyEpoch)
      this.#refresh(bucket, known);
  }

  /** Where a key lives; fetches the table if there is none. Throws KindredError, or Error for an unknown hash. */
  async place(bucket: string, key: Key): Promise<KeyPlacement> {
    const known = this.#bucket(bucket);
    if (known.table === undefined) await this.#fetch(bucket, known);
    if (known.table === undefined)
      throw new Error('the cluster places keys in a way that this client does not know');
    return known.table.place(bucket, key);
  }

  #bucket(bucket: string): BucketTable {
    let known = this.#buckets.get(bucket);
    if (known === undefined) {
      known = { table: undefined, fetching: undefined, fetchedMs: Number.NEGATIVE_INFINITY };
      this.#buckets.set(bucket, known);
    }
    return known;
  }

  /** Fetches the table in the background, not too often. Without it operations take turns as ever. */
  #refresh(bucket: string, known: BucketTable): void {
    if (performance.now() - known.fetchedMs < REFRESH_MS_MIN) return;
    this.#fetch(bucket, known).catch(() => {
      // A later operation tries again.
    });
  }

  #fetch(bucket: string, known: BucketTable): Promise<void> {
    known.fetchedMs = performance.now();
    known.fetching ??= this.#attempts
      .run({ isWrite: false, send: ({ topology }, call) => topology.getPlacement({ bucket }, call) }, {})
      .then(async (response) => {
        known.table = (await PlacementTable.of(response)) ?? known.table;
      })
      .finally(() => {
        known.fetching = undefined;
      });
    return known.fetching;
  }
}

interface BucketTable {
  table: PlacementTable | undefined;
  fetching: Promise<void> | undefined;
  /** When it was asked for last. */
  fetchedMs: number;
}

/** The token of a key: xxh64 of the bucket in ASCII, a zero byte and the key. An empty bucket is the default one. */
export function tokenOf(hash64: Hash64, bucket: string, key: Key): bigint {
  return hash64(Buffer.concat([Buffer.from(`${bucket || 'default'}\0`, 'latin1'), keyBytes(key)]));
}

/** Sixteen hexadecimal digits. */
export function tokenText(token: bigint): string {
  return token.toString(16).padStart(16, '0');
}

/** The top `bits` bits of a token. */
export function partitionOf(token: bigint, bits: number): number {
  return Number(token >> BigInt(64 - bits));
}

/** Loads xxh64. It is WebAssembly, compiled once and only where it is used. */
export async function loadHash64(): Promise<Hash64> {
  loaded ??= xxhash();
  const { h64Raw } = await loaded;
  return (bytes) => h64Raw(bytes);
}

let loaded: ReturnType<typeof xxhash> | undefined;
