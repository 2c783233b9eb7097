/**
 * The real network: frames on gRPC streams. The peer port serves raw bytes under the two methods that the peer protocol
 * names, and nothing else: no reflection, no health, no client API. Encoding and meaning are the business of
 * `peer-link.ts` and `peer-server.ts`.
 *
 * One connection per stream: control frames never wait behind data in one TCP connection, and a redial never inherits the
 * backoff or the half-dead state of the connection before it.
 */

import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { crc32 } from 'node:zlib';
import * as grpc from '@grpc/grpc-js';
import { assert } from '../core/assert.ts';
import type { Env, Timer } from '../env/env.ts';
import {
  type FrameStream,
  type Listener,
  type Network,
  NetworkError,
  type PeerChannel,
  peerChannels,
} from '../env/network.ts';
import { connectionText } from './connection-text.ts';

/** Limits of the real network. */
export interface GrpcNetworkOptions {
  /** Largest frame in bytes. Must be equal on all nodes. Default 16 MiB: an 8 MiB record, and what is around it. */
  readonly frameBytesMax?: number;
  /** `send` asks for a pause above this many bytes not yet given to the kernel. Default 1 MiB: more costs memory per peer. */
  readonly sendBytesMax?: number;
  /**
   * HTTP/2 receive window in bytes of the dialling side (the library has no such option for the accepting side, which
   * keeps 64 KiB). Default 1 MiB: bandwidth x delay of 10 Gbit/s and 0.8 ms.
   */
  readonly windowBytes?: number;
  /** A connection silent for this long is pinged. Default 10 s. */
  readonly keepaliveMs?: number;
  /** A ping not answered for this long breaks the connection. Default 5 s. */
  readonly keepaliveTimeoutMs?: number;
  /** How long a closed stream may take to send what was queued before it is cut. Default 1 s. */
  readonly closeGraceMs?: number;
  /** Streams at once on one connection; a node opens one. Default 8. */
  readonly streamsPerConnectionMax?: number;
}

/** `Network` on gRPC over TCP. */
export class GrpcNetwork implements Network {
  readonly #env: Env;
  readonly #options: Required<GrpcNetworkOptions>;
  readonly #streams = new Set<GrpcFrameStream>();
  readonly #listeners = new Set<Listener>();

  constructor(dependencies: { readonly env: Env }, options: GrpcNetworkOptions = {}) {
    this.#env = dependencies.env;
    this.#options = {
      frameBytesMax: 16 * 1024 * 1024,
      sendBytesMax: 1024 * 1024,
      windowBytes: 1024 * 1024,
      keepaliveMs: 10_000,
      keepaliveTimeoutMs: 5_000,
      closeGraceMs: 1_000,
      streamsPerConnectionMax: 8,
      ...options,
    };
  }

  async listen(
    address: { readonly host: string; readonly port: number },
    accept: (channel: PeerChannel, stream: FrameStream) => void,
  ): Promise<Listener> {
    const server = new grpc.Server({
      ...this.#sharedOptions(),
      'grpc.max_concurrent_streams': this.#options.streamsPerConnectionMax,
    });
    const accepted = new Set<GrpcFrameStream>();
    for (const channel of peerChannels) {
      const path = methodPaths[channel];
      server.register(
        path,
        (call: Call) => accept(channel, this.#wrap(call, 'peer', accepted)),
        sealed,
        asItIs,
        'bidi',
      );
    }
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(target(address), grpc.ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else
          reject(
            new NetworkError(
              'address-unavailable',
              `cannot listen for peers on ${target(address)}: ${error.message}`,
              {
                cause: error,
              },
            ),
          );
      });
    });
    let closed: Promise<void> | undefined;
    const listener: Listener = {
      port,
      close: () => {
        closed ??= new Promise((resolve) => {
          this.#listeners.delete(listener);
          for (const stream of accepted) stream.close();
          // Streams have their grace to finish; whoever holds his connection open longer is cut.
          const force = this.#env.timers.after(this.#options.closeGraceMs, () => server.forceShutdown());
          server.tryShutdown(() => {
            force.cancel();
            resolve();
          });
        });
        return closed;
      },
    };
    this.#listeners.add(listener);
    return listener;
  }

  dial(address: { readonly host: string; readonly port: number }, channel: PeerChannel): FrameStream {
    const credentials = grpc.credentials.createInsecure();
    const destroySockets = holdSockets(credentials);
    const client = new grpc.Client(`dns:${target(address)}`, credentials, {
      ...this.#sharedOptions(),
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      // Even without retries the library keeps a copy for them, and calls a frame written before it has a connection.
      'grpc.retry_buffer_size': 0,
      'grpc.per_rpc_retry_buffer_size': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.keepalive_permit_without_calls': 1,
      'grpc-node.flow_control_window': this.#options.windowBytes,
    });
    const call = client.makeBidiStreamRequest(methodPaths[channel], sealed, asItIs, {});
    return this.#wrap(call, target(address), undefined, () => {
      client.close();
      destroySockets();
    });
  }

  /** Closes all listeners and all streams, and waits for their sockets. */
  async close(): Promise<void> {
    for (const stream of this.#streams) stream.close();
    await Promise.all([...this.#listeners].map((listener) => listener.close()));
    await Promise.all([...this.#streams].map((stream) => stream.closed()));
  }

  #wrap(
    call: Call,
    peer: string,
    among: Set<GrpcFrameStream> | undefined,
    release?: () => void,
  ): GrpcFrameStream {
    const stream = new GrpcFrameStream(call, peer, this.#env, this.#options, () => {
      this.#streams.delete(stream);
      among?.delete(stream);
      release?.();
    });
    this.#streams.add(stream);
    among?.add(stream);
    return stream;
  }

  #sharedOptions(): grpc.ChannelOptions {
    return {
      'grpc.enable_channelz': 0,
      'grpc.max_send_message_length': this.#options.frameBytesMax + checksumBytes,
      'grpc.max_receive_message_length': this.#options.frameBytesMax + checksumBytes,
      'grpc.keepalive_time_ms': this.#options.keepaliveMs,
      'grpc.keepalive_timeout_ms': this.#options.keepaliveTimeoutMs,
    };
  }
}

type Call = grpc.ClientDuplexStream<Uint8Array, Buffer> | grpc.ServerDuplexStream<Buffer, Uint8Array>;

/** The names on the wire: they may not change. */
const methodPaths: Readonly<Record<PeerChannel, string>> = {
  data: '/kindred.peer.v1.ReplicaService/Exchange',
  background: '/kindred.peer.v1.BackgroundService/Exchange',
  control: '/kindred.peer.v1.MembershipService/Heartbeat',
  gossip: '/kindred.peer.v1.MembershipService/Gossip',
};

/** Behind each frame on the wire, little-endian. */
const checksumBytes = 4;

/**
 * The frame with its CRC-32 behind it. TCP's own sum of 16 bits lets one damaged segment in tens of thousands pass (Stone and
 * Partridge, SIGCOMM 2000), and what a proxy or a switch breaks in its memory it sums up anew. Records have a checksum of
 * their own, but the contexts, dots and errors around them do not.
 */
function sealed(frame: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(frame.byteLength + checksumBytes);
  bytes.set(frame);
  bytes.writeUInt32LE(crc32(frame), frame.byteLength);
  return bytes;
}

/** The frame without its checksum; `undefined` when it is not what was sent. */
function opened(bytes: Buffer): Uint8Array | undefined {
  const length = bytes.byteLength - checksumBytes;
  if (length < 0) return undefined;
  // A plain Uint8Array, so that no code behind the network can come to depend on Buffer's methods.
  const frame = new Uint8Array(bytes.buffer, bytes.byteOffset, length);
  return crc32(frame) === bytes.readUInt32LE(length) ? frame : undefined;
}

function asItIs(bytes: Buffer): Buffer {
  return bytes;
}

/**
 * Lets the sockets of a channel be destroyed with it. Closing a channel of this library leaves a connection alone whose
 * other side has not yet spoken HTTP/2, as that of a stopped process: each attempt to reach one would leave a socket behind.
 */
function holdSockets(credentials: grpc.ChannelCredentials): () => void {
  const held = new Set<Socket>();
  let destroyed = false;
  const createConnector = credentials._createSecureConnector.bind(credentials);
  credentials._createSecureConnector = (...parameters) => {
    const connector = createConnector(...parameters);
    const connect = connector.connect.bind(connector);
    connector.connect = (socket) => {
      if (destroyed) socket.destroy();
      held.add(socket);
      socket.once('close', () => held.delete(socket));
      return connect(socket);
    };
    return connector;
  };
  return () => {
    destroyed = true;
    for (const socket of held) socket.destroy();
  };
}

function target({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Either end of one gRPC call, as frames. */
class GrpcFrameStream implements FrameStream {
  readonly #call: Duplex;
  readonly #peer: string;
  readonly #env: Env;
  readonly #options: Required<GrpcNetworkOptions>;
  readonly #release: () => void;
  readonly #drainListeners: (() => void)[] = [];
  readonly #closeListeners: ((error: NetworkError | undefined) => void)[] = [];
  readonly #cancel: () => void;
  #frameListener: ((frame: Uint8Array) => void) | undefined;
  /** Given to gRPC and not yet to the kernel. gRPC's own mark counts frames, so that 16 frames of 16 MiB would be one pause late. */
  #pendingBytes = 0;
  #held = false;
  #reached = false;
  #closing = false;
  #breaking: NetworkError | undefined;
  #finished = false;
  #grace: Timer | undefined;

  constructor(
    call: Call,
    peer: string,
    env: Env,
    options: Required<GrpcNetworkOptions>,
    release: () => void,
  ) {
    this.#call = call as unknown as Duplex;
    this.#peer = peer;
    this.#env = env;
    this.#options = options;
    this.#release = release;
    if ('cancel' in call) {
      this.#cancel = () => call.cancel();
      // `error` only repeats what `status` says, but without a listener it would end the process.
      call.on('error', () => {});
      // A good status may overtake the last frames; `end` comes after them.
      call.on('status', (status: grpc.StatusObject) => {
        if (status.code !== grpc.status.OK) this.#finish(this.#errorOf(status));
        else if (call.readableEnded || this.#frameListener === undefined) this.#finish(undefined);
        else call.once('end', () => this.#finish(undefined));
      });
    } else {
      this.#peer = call.getPeer();
      this.#cancel = () => call.emit('error', { code: grpc.status.CANCELLED, details: 'closed' });
      call.on('error', () => {});
      call.on('end', () => {
        // The dialling side has said its last; what is still queued here goes out before the status.
        this.#closing = true;
        call.end();
      });
      call.on('cancelled', () =>
        this.#finish(this.#closing ? undefined : this.#reset('the connection broke')),
      );
      call.on('close', () => this.#finish(this.#closing ? undefined : this.#reset('the connection broke')));
    }
  }

  send(frame: Uint8Array): boolean {
    if (this.#closing || this.#finished) return false;
    const bytes = frame.byteLength;
    if (bytes > this.#options.frameBytesMax) {
      this.#break(
        new NetworkError(
          'frame-too-large',
          `a frame of ${bytes} bytes was to be sent to ${this.#peer}; the limit is ${this.#options.frameBytesMax}`,
        ),
      );
      return false;
    }
    this.#pendingBytes += bytes;
    this.#call.write(frame, (error) => this.#written(bytes, error ?? undefined));
    if (this.#pendingBytes > this.#options.sendBytesMax) this.#held = true;
    return !this.#held;
  }

  onFrame(listener: (frame: Uint8Array) => void): void {
    assert(this.#frameListener === undefined, 'a frame stream has one frame listener');
    this.#frameListener = listener;
    this.#call.on('data', (bytes: Buffer) => {
      this.#reached = true;
      if (this.#finished || this.#closing || this.#breaking !== undefined) return;
      const frame = opened(bytes);
      if (frame !== undefined) listener(frame);
      else {
        const message = `a frame from ${this.#peer} was damaged on its way: its checksum does not match`;
        this.#break(new NetworkError('frame-damaged', message));
      }
    });
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
    this.#call.end();
    // Unread frames would keep the end of the stream from being seen.
    this.#call.resume();
    this.#grace = this.#env.timers.after(this.#options.closeGraceMs, () => {
      this.#cancel();
      this.#finish(undefined);
    });
  }

  /** Resolves when the stream has closed. */
  closed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#finished) resolve();
      else this.onClose(() => resolve());
    });
  }

  #written(bytes: number, error: Error | undefined): void {
    this.#pendingBytes -= bytes;
    if (error === undefined) this.#reached = true;
    // Half, so that a full queue is refilled in large steps rather than frame by frame.
    if (!this.#held || this.#pendingBytes > this.#options.sendBytesMax / 2) return;
    this.#held = false;
    if (this.#closing || this.#finished) return;
    for (const listener of this.#drainListeners) listener();
  }

  #break(error: NetworkError): void {
    this.#breaking ??= error;
    this.#cancel();
    // Not inside `send`: the caller is in the midst of its own bookkeeping.
    this.#env.timers.endOfTick(() => this.#finish(error));
  }

  #finish(error: NetworkError | undefined): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#grace?.cancel();
    this.#release();
    for (const listener of this.#closeListeners)
      listener(this.#breaking ?? (this.#closing ? undefined : error));
  }

  #reset(what: string): NetworkError {
    return new NetworkError('reset', `stream with ${this.#peer}: ${what}`);
  }

  #errorOf(status: grpc.StatusObject): NetworkError {
    const message = `stream to ${this.#peer}: ${connectionText(status.details)}`;
    switch (status.code) {
      case grpc.status.UNIMPLEMENTED:
        return new NetworkError(
          'not-a-peer',
          `${message}; what answers there is not a Kindred peer port (is it the client port?)`,
        );
      case grpc.status.RESOURCE_EXHAUSTED:
        return new NetworkError('frame-too-large', message);
      case grpc.status.UNAVAILABLE:
        return new NetworkError(this.#reached ? 'reset' : 'unreachable', message);
      default:
        return new NetworkError('reset', message);
    }
  }
}
