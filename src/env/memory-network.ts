/**
 * The network inside one process: what `GrpcNetwork` does over sockets, done with the timers of an `Env`. Under a fake or
 * simulated env the same calls give the same deliveries in the same order, every time.
 */

import { assert } from '../core/assert.ts';
import type { Env } from './env.ts';
import {
  type FrameStream,
  type Listener,
  type Network,
  NetworkError,
  type NetworkErrorCode,
  type PeerChannel,
} from './network.ts';

/** How the network in memory behaves. */
export interface MemoryNetworkOptions {
  /** Milliseconds that each frame travels. Default 0: delivered at the end of the tick. */
  readonly latencyMs?: number;
  /** `send` asks for a pause above this many bytes not yet taken by the receiver. Default 1 MiB. */
  readonly sendBytesMax?: number;
  /** Largest frame in bytes. Default 16 MiB, as on the real network. */
  readonly frameBytesMax?: number;
}

type Accept = (channel: PeerChannel, stream: FrameStream) => void;

/** `Network` without sockets. Hosts are ignored: a port names a listener. */
export class MemoryNetwork implements Network {
  readonly #env: Env;
  readonly #options: Required<MemoryNetworkOptions>;
  readonly #listeners = new Map<number, Accept>();
  readonly #connections = new Set<Connection>();
  readonly #silenced = new Set<number>();
  #nextPort = 40_000;

  constructor(dependencies: { readonly env: Env }, options: MemoryNetworkOptions = {}) {
    this.#env = dependencies.env;
    this.#options = { latencyMs: 0, sendBytesMax: 1024 * 1024, frameBytesMax: 16 * 1024 * 1024, ...options };
  }

  async listen(address: { readonly host: string; readonly port: number }, accept: Accept): Promise<Listener> {
    const port = address.port === 0 ? this.#nextPort++ : address.port;
    if (this.#listeners.has(port)) {
      throw new NetworkError(
        'address-unavailable',
        `cannot listen for peers on ${address.host}:${port}: it is in use`,
      );
    }
    this.#listeners.set(port, accept);
    return {
      port,
      close: async () => {
        if (this.#listeners.get(port) !== accept) return;
        this.#listeners.delete(port);
        for (const connection of this.#connections) {
          if (connection.port === port) connection.accepting.close();
        }
      },
    };
  }

  dial(address: { readonly host: string; readonly port: number }, channel: PeerChannel): FrameStream {
    const { port } = address;
    const connection = new Connection(port, this.#env, this.#options, () => this.#silenced.has(port));
    this.#connections.add(connection);
    connection.dialling.onClose(() => this.#connections.delete(connection));
    connection.later(() => {
      if (this.#silenced.has(port)) return; // Like a firewall that drops: nobody ever answers.
      const accept = this.#listeners.get(port);
      if (accept === undefined)
        connection.fail('unreachable', `connection refused by ${address.host}:${port}`);
      else connection.accept(() => accept(channel, connection.accepting));
    });
    return connection.dialling;
  }

  /** Breaks every stream to `port`, as the death of the process there would. What was on the way is lost. */
  cut(port: number): void {
    for (const connection of [...this.#connections]) {
      if (connection.port === port) connection.fail('reset', `connection to port ${port} was cut`);
    }
  }

  /** While silenced, nothing passes to or from `port` and nobody is told, as when a cable is out. */
  silence(port: number, silent: boolean): void {
    if (silent) this.#silenced.add(port);
    else this.#silenced.delete(port);
  }
}

/** Two ends, and what is on the way between them. */
class Connection {
  readonly port: number;
  readonly dialling: MemoryFrameStream;
  readonly accepting: MemoryFrameStream;
  readonly options: Required<MemoryNetworkOptions>;
  readonly isSilenced: () => boolean;
  readonly #env: Env;
  #accepted = false;
  #broken = false;

  constructor(port: number, env: Env, options: Required<MemoryNetworkOptions>, isSilenced: () => boolean) {
    this.port = port;
    this.options = options;
    this.isSilenced = isSilenced;
    this.#env = env;
    this.dialling = new MemoryFrameStream(this, () => this.accepting);
    this.accepting = new MemoryFrameStream(this, () => this.dialling);
  }

  get established(): boolean {
    return this.#accepted;
  }

  accept(task: () => void): void {
    if (this.#broken) return;
    this.#accepted = true;
    task();
    this.accepting.pump();
  }

  /** Runs `task` after the travel time. */
  later(task: () => void): void {
    if (this.options.latencyMs === 0) this.#env.timers.endOfTick(task);
    else this.#env.timers.after(this.options.latencyMs, task);
  }

  soon(task: () => void): void {
    this.#env.timers.endOfTick(task);
  }

  fail(code: NetworkErrorCode, message: string): void {
    if (this.#broken) return;
    this.#broken = true;
    for (const end of [this.dialling, this.accepting]) {
      this.soon(() => end.finish(new NetworkError(code, message)));
    }
  }
}

/** A frame, or the end of the stream, on its way. */
type Arrival = { readonly kind: 'frame'; readonly frame: Uint8Array } | { readonly kind: 'end' };

class MemoryFrameStream implements FrameStream {
  readonly #connection: Connection;
  readonly #other: () => MemoryFrameStream;
  readonly #arrived: Arrival[] = [];
  readonly #drainListeners: (() => void)[] = [];
  readonly #closeListeners: ((error: NetworkError | undefined) => void)[] = [];
  #frameListener: ((frame: Uint8Array) => void) | undefined;
  #pendingBytes = 0;
  #held = false;
  #closing = false;
  #finished = false;

  constructor(connection: Connection, other: () => MemoryFrameStream) {
    this.#connection = connection;
    this.#other = other;
  }

  send(frame: Uint8Array): boolean {
    if (this.#closing || this.#finished) return false;
    const { frameBytesMax, sendBytesMax } = this.#connection.options;
    if (frame.byteLength > frameBytesMax) {
      const message = `a frame of ${frame.byteLength} bytes was to be sent; the limit is ${frameBytesMax}`;
      this.#connection.fail('frame-too-large', message);
      return false;
    }
    this.#pendingBytes += frame.byteLength;
    this.#connection.later(() => this.#other().arrive({ kind: 'frame', frame }));
    if (this.#pendingBytes > sendBytesMax) this.#held = true;
    return !this.#held;
  }

  onFrame(listener: (frame: Uint8Array) => void): void {
    assert(this.#frameListener === undefined, 'a frame stream has one frame listener');
    this.#frameListener = listener;
    this.#connection.soon(() => this.pump());
  }

  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener);
  }

  onClose(listener: (error: NetworkError | undefined) => void): void {
    this.#closeListeners.push(listener);
  }

  close(): void {
    if (this.#closing || this.#finished) return;
    this.#closing = true;
    this.#connection.later(() => this.#other().arrive({ kind: 'end' }));
    this.#connection.soon(() => this.finish(undefined));
  }

  arrive(arrival: Arrival): void {
    if (this.#finished || this.#connection.isSilenced()) return;
    this.#arrived.push(arrival);
    this.pump();
  }

  /** Hands over what has arrived, if somebody listens. */
  pump(): void {
    if (!this.#connection.established) return;
    for (let next = this.#arrived[0]; next !== undefined; next = this.#arrived[0]) {
      if (next.kind === 'end') {
        this.#arrived.length = 0;
        this.finish(undefined);
        return;
      }
      if (this.#frameListener === undefined) return;
      this.#arrived.shift();
      this.#other().taken(next.frame.byteLength);
      if (!this.#finished && !this.#closing) this.#frameListener(next.frame);
    }
  }

  taken(bytes: number): void {
    this.#pendingBytes -= bytes;
    if (!this.#held || this.#pendingBytes > this.#connection.options.sendBytesMax / 2) return;
    this.#held = false;
    this.#connection.soon(() => {
      if (this.#closing || this.#finished) return;
      for (const listener of this.#drainListeners) listener();
    });
  }

  finish(error: NetworkError | undefined): void {
    if (this.#finished) return;
    this.#finished = true;
    for (const listener of this.#closeListeners) listener(this.#closing ? undefined : error);
  }
}
