/**
 * The real network: frames on gRPC streams. The peer port serves raw bytes under the methods that the peer protocol names, and
 * nothing else: no reflection, no health, no client API. Encoding and meaning are the business of `peer-link.ts` and
 * `peer-server.ts`.
 *
 * It stands on node:http2 and speaks gRPC itself, which for one stream of messages is little: what grpc-js does with a message
 * (a promise, a decoder, a stream on the stream) costs more than a frame of ours (ADR 20).
 *
 * One connection per stream: control frames never wait behind data in one TCP connection, and a redial never inherits the
 * backoff or the half-dead state of the connection before it.
 */

import {
  type ClientHttp2Stream,
  connect,
  constants,
  createServer,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { status } from '@grpc/grpc-js';
import type { Env } from '../env/env.ts';
import {
  type FrameStream,
  type Listener,
  type Network,
  NetworkError,
  type PeerChannel,
  peerChannels,
} from '../env/network.ts';
import { connectionText } from './connection-text.ts';
import { GrpcFrameStream } from './grpc-frame-stream.ts';

/** Limits of the real network. */
export interface GrpcNetworkOptions {
  /** Largest frame in bytes. Must be equal on all nodes. Default 16 MiB: an 8 MiB record, and what is around it. */
  readonly frameBytesMax?: number;
  /** `send` asks for a pause above this many bytes not yet given to the kernel. Default 1 MiB: more costs memory per peer. */
  readonly sendBytesMax?: number;
  /** HTTP/2 receive window in bytes. Default 1 MiB: bandwidth x delay of 10 Gbit/s and 0.8 ms. */
  readonly windowBytes?: number;
  /** A connection is pinged so often. Default 10 s. */
  readonly keepaliveMs?: number;
  /** A ping not answered for this long breaks the connection. Default 5 s. */
  readonly keepaliveTimeoutMs?: number;
  /** How long a closed stream may take to send what was queued before it is cut. Default 1 s. */
  readonly closeGraceMs?: number;
  /** Streams at once on one connection; a node opens one. Default 8. */
  readonly streamsPerConnectionMax?: number;
}

/** The names on the wire: they may not change. */
const methodPaths: Readonly<Record<PeerChannel, string>> = {
  data: '/kindred.peer.v1.ReplicaService/Exchange',
  background: '/kindred.peer.v1.BackgroundService/Exchange',
  control: '/kindred.peer.v1.MembershipService/Heartbeat',
  gossip: '/kindred.peer.v1.MembershipService/Gossip',
};
const channelOfPath: ReadonlyMap<string, PeerChannel> = new Map(
  peerChannels.map((channel) => [methodPaths[channel], channel]),
);

const contentType = 'application/grpc+proto';
/** MiB that one connection may hold: a frame on its way in each direction, and room. Node's default of 10 is below one frame. */
const sessionMemoryMiB = 256;

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
    const accepted = new Set<GrpcFrameStream>();
    const sessions = new Set<ServerHttp2Session>();
    const server = createServer({
      maxSessionMemory: sessionMemoryMiB,
      settings: {
        initialWindowSize: this.#options.windowBytes,
        maxConcurrentStreams: this.#options.streamsPerConnectionMax,
      },
    });
    server.on('session', (session) => {
      sessions.add(session);
      this.#prepare(session);
      session.on('close', () => sessions.delete(session));
    });
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      stream.on('error', () => {});
      const channel = channelOfRequest(stream, headers);
      if (channel !== undefined) accept(channel, this.#accepted(stream, accepted));
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.once('error', (error) => {
        const message = `cannot listen for peers on ${target(address)}: ${error.message}`;
        reject(new NetworkError('address-unavailable', message, { cause: error }));
      });
      server.listen(address.port, address.host, () => {
        const bound = server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : address.port);
      });
    });
    // Once it listens, what goes wrong concerns a single connection, which says so itself.
    server.on('error', () => {});
    let closed: Promise<void> | undefined;
    const listener: Listener = {
      port,
      close: () => {
        closed ??= new Promise((resolve) => {
          this.#listeners.delete(listener);
          for (const stream of accepted) stream.close();
          // Streams have their grace to finish; whoever holds his connection open longer is cut.
          const force = this.#env.timers.after(this.#options.closeGraceMs, () => {
            for (const session of sessions) session.destroy();
          });
          server.close(() => {
            force.cancel();
            resolve();
          });
          for (const session of sessions) session.close();
        });
        return closed;
      },
    };
    this.#listeners.add(listener);
    return listener;
  }

  dial(address: { readonly host: string; readonly port: number }, channel: PeerChannel): FrameStream {
    const peer = target(address);
    // Held, because a session that is destroyed leaves a socket alone that is still connecting.
    const socket = connectSocket({ host: address.host, port: address.port, noDelay: true });
    const session = connect(`http://${peer}`, {
      createConnection: () => socket,
      maxSessionMemory: sessionMemoryMiB,
      settings: { enablePush: false, initialWindowSize: this.#options.windowBytes },
    });
    const http2Stream = session.request({
      ':method': 'POST',
      ':path': methodPaths[channel],
      'content-type': contentType,
      te: 'trailers',
    });
    const stream: GrpcFrameStream = this.#keep(
      new GrpcFrameStream(
        http2Stream,
        {
          peer,
          cut: () => http2Stream.close(constants.NGHTTP2_CANCEL),
          finished: () => {
            this.#streams.delete(stream);
            // Also where the other side never spoke HTTP/2: every attempt has its own socket.
            session.destroy();
            socket.destroy();
          },
        },
        this.#env,
        this.#options,
      ),
    );
    let broken: string | undefined;
    session.on('error', (error: NodeJS.ErrnoException) => {
      broken ??= connectionText([error.code, error.message].join(' '));
      // A session that never got a connection closes no stream.
      stream.finish(lost(stream, peer, broken));
    });
    session.on('connect', () => this.#prepare(session));
    session.on('close', () => stream.finish(lost(stream, peer, broken ?? 'the connection broke')));
    this.#watchAnswer(http2Stream, stream, peer, () => broken);
    return stream;
  }

  /** Closes all listeners and all streams, and waits for their sockets. */
  async close(): Promise<void> {
    for (const stream of this.#streams) stream.close();
    await Promise.all([...this.#listeners].map((listener) => listener.close()));
    await Promise.all([...this.#streams].map((stream) => stream.closed()));
  }

  #keep(stream: GrpcFrameStream): GrpcFrameStream {
    this.#streams.add(stream);
    return stream;
  }

  #accepted(http2Stream: ServerHttp2Stream, among: Set<GrpcFrameStream>): GrpcFrameStream {
    const socket = http2Stream.session?.socket;
    const peer = `${socket?.remoteAddress ?? 'a peer'}:${socket?.remotePort ?? '?'}`;
    const stream: GrpcFrameStream = this.#keep(
      new GrpcFrameStream(
        http2Stream,
        {
          peer,
          cut: () => http2Stream.close(constants.NGHTTP2_CANCEL),
          finished: () => {
            this.#streams.delete(stream);
            among.delete(stream);
          },
        },
        this.#env,
        this.#options,
      ),
    );
    among.add(stream);
    http2Stream.respond({ ':status': 200, 'content-type': contentType }, { waitForTrailers: true });
    http2Stream.on('wantTrailers', () => http2Stream.sendTrailers({ 'grpc-status': '0' }));
    // The dialling side has said its last; what is still queued here goes out before the status.
    http2Stream.on('end', () => stream.endAfterQueued());
    http2Stream.on('close', () =>
      stream.finish(new NetworkError('reset', `stream with ${peer}: the connection broke`)),
    );
    return stream;
  }

  /** What the accepting side says besides frames. */
  #watchAnswer(
    http2Stream: ClientHttp2Stream,
    stream: GrpcFrameStream,
    peer: string,
    broken: () => string | undefined,
  ): void {
    let refusal: NetworkError | undefined;
    let ended = false;
    http2Stream.on('response', (headers) => {
      refusal ??= refusalOf(headers, stream, peer);
      // Nobody listens for frames of what is no peer: its end must be seen all the same.
      if (refusal !== undefined) http2Stream.resume();
    });
    http2Stream.on('trailers', (headers) => {
      refusal ??= refusalOf(headers, stream, peer);
      ended = refusal === undefined;
      // Frames that came before them may still lie unread; `close` follows when they are read.
      if (ended && http2Stream.readableEnded) stream.finish(undefined);
    });
    http2Stream.on('end', () => {
      if (ended) stream.finish(undefined);
    });
    http2Stream.on('close', () => {
      if (refusal !== undefined || ended) {
        stream.finish(refusal);
        return;
      }
      // Where the connection is what broke, the session says why right after this.
      this.#env.timers.endOfTick(() => stream.finish(lost(stream, peer, broken() ?? 'the connection broke')));
    });
  }

  /** Bounds and keepalive of a connection, at both its ends. */
  #prepare(session: Http2Session): void {
    if (session.destroyed) return;
    session.on('error', () => {});
    session.setLocalWindowSize(this.#options.windowBytes);
    const { keepaliveMs, keepaliveTimeoutMs } = this.#options;
    const pings = this.#env.timers.every(keepaliveMs, () => {
      if (session.destroyed || session.closed) return;
      const silence = this.#env.timers.after(keepaliveTimeoutMs, () =>
        session.destroy(new Error('keepalive: no answer to a ping')),
      );
      session.ping(() => silence.cancel());
    });
    session.on('close', () => pings.cancel());
  }
}

/** The channel that is asked for. Answers the call itself where there is none. */
function channelOfRequest(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): PeerChannel | undefined {
  if (headers['content-type']?.startsWith('application/grpc') !== true) {
    stream.respond({ ':status': 415 }, { endStream: true });
    return undefined;
  }
  const path = headers[':path'] ?? '';
  const channel = channelOfPath.get(path);
  if (channel !== undefined) return channel;
  stream.respond(
    {
      ':status': 200,
      'content-type': contentType,
      'grpc-status': status.UNIMPLEMENTED,
      'grpc-message': encodeURI(`The peer port does not implement ${path}`),
    },
    { endStream: true },
  );
  // What the caller still sends is read and dropped.
  stream.resume();
  return undefined;
}

/** Why the answer is not that of a peer which goes on; `undefined`: it is. */
function refusalOf(
  headers: IncomingHttpHeaders,
  stream: GrpcFrameStream,
  peer: string,
): NetworkError | undefined {
  const httpStatus = headers[':status'];
  const code = headers['grpc-status'];
  const notPeer = 'what answers there is not a Kindred peer port (is it the client port?)';
  if (httpStatus !== undefined && Number(httpStatus) !== 200) {
    return new NetworkError('not-a-peer', `stream to ${peer}: HTTP status ${httpStatus}; ${notPeer}`);
  }
  if (code === undefined || Number(code) === status.OK) return undefined;
  const message = `stream to ${peer}: ${decodedMessage(String(headers['grpc-message'] ?? `status ${code}`))}`;
  switch (Number(code)) {
    case status.UNIMPLEMENTED:
      return new NetworkError('not-a-peer', `${message}; ${notPeer}`);
    case status.RESOURCE_EXHAUSTED:
      return new NetworkError('frame-too-large', message);
    case status.UNAVAILABLE:
      return new NetworkError(stream.reached ? 'reset' : 'unreachable', message);
    default:
      return new NetworkError('reset', message);
  }
}

function decodedMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // made by somebody else, and good enough as it is
  }
}

/** A connection that ended by itself. */
function lost(stream: GrpcFrameStream, peer: string, why: string): NetworkError {
  return new NetworkError(stream.reached ? 'reset' : 'unreachable', `stream to ${peer}: ${why}`);
}

function target({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
