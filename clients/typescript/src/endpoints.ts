/**
 * The connections of a client, one channel for each endpoint. Operations go in turn to those that are connected; broken
 * ones are passed over while gRPC connects them again.
 */

import { ChannelCredentials, connectivityState } from '@grpc/grpc-js';
import { type Channel, createChannel, createClientFactory } from 'nice-grpc';
import { type BucketServiceClient, BucketServiceDefinition } from './gen/kindred/v1/bucket.ts';
import { type KeyValueServiceClient, KeyValueServiceDefinition } from './gen/kindred/v1/kv.ts';
import { type TopologyServiceClient, TopologyServiceDefinition } from './gen/kindred/v1/topology.ts';
import { deferred, resolvedOrAborted } from './waiting.ts';

/** How to secure the connections. All are PEM. */
export interface TlsOptions {
  /** The authorities to trust. Default: those of Node. */
  readonly ca?: Buffer | undefined;
  /** The client's certificate and key, for a server that asks for one. */
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
}

const CONNECT_MS_MAX = 1000;

/** One node's address, with the stubs of its services. */
export class Endpoint {
  readonly address: string;
  readonly keyValue: KeyValueServiceClient;
  readonly topology: TopologyServiceClient;
  readonly bucket: BucketServiceClient;
  readonly #channel: Channel;
  readonly #onChange: () => void;
  /** Since when it was wanted and has not been connected. */
  #connectingSinceMs: number | undefined;

  constructor(address: string, credentials: ChannelCredentials, onChange: () => void) {
    this.address = address;
    this.#onChange = onChange;
    this.#channel = createChannel(address, credentials, {
      // Retries are the client's: only it knows which are safe, and what they mean for the outcome.
      'grpc.enable_retries': 0,
      'grpc.keepalive_time_ms': 20_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 2000,
      // A record with all its siblings may have 8 MiB and more.
      'grpc.max_receive_message_length': 16 * 1024 * 1024,
      // Two clients of one process do not share connections: closing one is nothing to the other.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.primary_user_agent': 'kindred-typescript',
    });
    const factory = createClientFactory();
    this.keyValue = factory.create(KeyValueServiceDefinition, this.#channel);
    this.topology = factory.create(TopologyServiceDefinition, this.#channel);
    this.bucket = factory.create(BucketServiceDefinition, this.#channel);
    this.#watch();
  }

  get isConnected(): boolean {
    return this.#channel.getConnectivityState(false) === connectivityState.READY;
  }

  /** Connects if there is no connection, and says whether that looks possible: false after an attempt that failed. */
  connect(): boolean {
    const state = this.#channel.getConnectivityState(true);
    return state !== connectivityState.TRANSIENT_FAILURE && state !== connectivityState.SHUTDOWN;
  }

  /**
   * How long it is worth to wait for a connection to this very endpoint, in milliseconds. 0: an attempt has failed, or takes
   * too long already, as one to an address that nobody answers at.
   */
  get worthWaitingMs(): number {
    if (!this.connect()) return 0;
    this.#connectingSinceMs ??= performance.now();
    return Math.max(0, this.#connectingSinceMs + CONNECT_MS_MAX - performance.now());
  }

  close(): void {
    this.#channel.close();
  }

  #watch(): void {
    const state = this.#channel.getConnectivityState(false);
    if (state === connectivityState.SHUTDOWN) return;
    if (state === connectivityState.READY) this.#connectingSinceMs = undefined;
    this.#channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, () => {
      this.#onChange();
      this.#watch();
    });
  }
}

/** The endpoints of a client. */
export class Endpoints {
  readonly #credentials: ChannelCredentials;
  readonly #inTurn: readonly Endpoint[];
  /** By address; holds also those that direct routing has learned of, which take no turns. */
  readonly #byAddress = new Map<string, Endpoint>();
  #turn = 0;
  #changed = deferred();
  #isClosed = false;

  /** Throws TypeError for what is no address. */
  constructor(addresses: readonly string[], tls: TlsOptions | undefined) {
    if (addresses.length === 0) throw new TypeError('a client needs at least one endpoint');
    for (const address of addresses) {
      if (!/^[^/]+:\d+$/.test(address))
        throw new TypeError(`endpoint "${address}" must be host:port, as 127.0.0.1:7400`);
    }
    this.#credentials =
      tls === undefined
        ? ChannelCredentials.createInsecure()
        : ChannelCredentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null);
    this.#inTurn = [...new Set(addresses)].map((address) => this.at(address));
  }

  get addresses(): readonly string[] {
    return this.#inTurn.map(({ address }) => address);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The endpoint of this address, which takes no turns unless the client was made with it. */
  at(address: string): Endpoint {
    const known = this.#byAddress.get(address);
    if (known !== undefined) return known;
    const endpoint = new Endpoint(address, this.#credentials, () => this.#wake());
    this.#byAddress.set(address, endpoint);
    return endpoint;
  }

  /** The next endpoint that is connected, another one than `last` if there is one. Undefined: none is. */
  next(last?: Endpoint): Endpoint | undefined {
    let again: Endpoint | undefined;
    for (let passed = 0; passed < this.#inTurn.length; passed++) {
      const endpoint = this.#inTurn[this.#turn++ % this.#inTurn.length] as Endpoint;
      if (endpoint.isConnected) {
        if (endpoint !== last) return endpoint;
        again = endpoint;
      } else {
        endpoint.connect();
      }
    }
    return again;
  }

  /**
   * As {@link next}, but waits until one is connected. `unreachable` when all endpoints have failed; `given-up` when
   * `signal` was aborted first.
   */
  async connected(signal: AbortSignal, last?: Endpoint): Promise<Endpoint | 'unreachable' | 'given-up'> {
    for (;;) {
      const changed = this.#changed.promise;
      const endpoint = this.next(last);
      if (endpoint !== undefined) return endpoint;
      if (signal.aborted) return 'given-up';
      if (this.#isClosed || !this.#inTurn.some((one) => one.connect())) return 'unreachable';
      await resolvedOrAborted(changed, signal);
    }
  }

  /** Waits for a connection to this very endpoint, if that is worth it. Whether it is connected then. */
  async connectedSoon(endpoint: Endpoint, signal: AbortSignal): Promise<boolean> {
    while (!endpoint.isConnected) {
      const changed = this.#changed.promise;
      const withinMs = endpoint.worthWaitingMs;
      if (withinMs === 0 || signal.aborted) return false;
      await resolvedOrAborted(changed, signal, withinMs);
    }
    return true;
  }

  close(): void {
    this.#isClosed = true;
    for (const endpoint of this.#byAddress.values()) endpoint.close();
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = deferred();
  }
}
