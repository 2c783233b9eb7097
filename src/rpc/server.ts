/**
 * The client port: all services, health and reflection, behind a listener of our own (grpc-js bounds neither connections nor
 * how long one may stay silent before its first byte). HTTP/2 is spoken by `http2/connection.ts`, or by Node; unary calls in
 * their plain form go straight to the door, everything else through grpc-js.
 */

import { createServer, type Server as NetServer, type Socket } from 'node:net';
import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import type { LimitConfig, ListenConfig, TimeoutConfig } from '../config/config.ts';
import { Door, type DoorDependencies, type DoorMethod } from './door.ts';
import { Health } from './health.ts';
import { Connection } from './http2/connection.ts';
import { streamServer } from './http2/serve-streams.ts';
import { OpenDuplex } from './open-duplex.ts';
import { OpenStream } from './open-stream.ts';
import { OpenUnary } from './open-unary.ts';
import { reflectionServices } from './reflection.ts';
import type { Service } from './service.ts';
import { GrpcUnaryExchange, type UnaryExchange } from './unary-exchange.ts';
import { serveUnaryStreams } from './unary-stream.ts';

/** All but `host` and `port` come from the configuration as they are. */
export interface ServerOptions
  extends Pick<TimeoutConfig, 'requestMs' | 'requestMsMax' | 'deadlineMarginMs'>,
    Pick<
      LimitConfig,
      | 'messageBytesMax'
      | 'headerBytesMax'
      | 'queueMsMax'
      | 'streamsPerConnectionMax'
      | 'connectionsMax'
      | 'connectionIdleMs'
      | 'connectionAgeMs'
    >,
    Pick<ListenConfig, 'http2'> {
  readonly host: string;
  /** 0: one that is free. */
  readonly port: number;
}

export interface ServerDependencies extends DoorDependencies {
  readonly services: readonly Service[];
  /** The encoded FileDescriptorSet that reflection answers from. */
  readonly descriptors: Uint8Array;
}

/** The running client port. */
export interface ClientServer {
  /** The port in use. */
  readonly port: number;
  readonly requestsInFlight: number;
  readonly bytesInFlight: number;
  readonly connections: number;
  /**
   * Takes no new work (health: NOT_SERVING; calls: UNAVAILABLE + NODE_DRAINING), and resolves when what was accepted is
   * answered, or after `boundMs`: true when all was answered. The port stays open, so that clients hear why.
   */
  drain(boundMs: number): Promise<boolean>;
  /** Closes the port and all connections. What is still in flight is cut off: drain first. */
  close(): Promise<void>;
}

/** A connection that has not sent a byte after this is closed. */
const silentMsMax = 10_000;
/** After its age a connection has this long to finish its calls: longer than any deadline. */
const ageGraceMs = 30_000;
const keepaliveMs = 30_000;
const keepaliveTimeoutMs = 10_000;
/** Answers on their way have this long to leave before connections are cut. */
const goodbyeMs = 1_000;

/** Opens the client port. Rejects when the address cannot be bound. */
export async function startServer(
  dependencies: ServerDependencies,
  options: ServerOptions,
): Promise<ClientServer> {
  const { env, services } = dependencies;
  const door = new Door(dependencies, options);
  const names = services.map((each) => each.definition.fullName);
  const health = new Health(names);
  const grpc = new Server({
    'grpc.enable_channelz': 0,
    'grpc.max_concurrent_streams': options.streamsPerConnectionMax,
    'grpc.max_receive_message_length': options.messageBytesMax,
    'grpc.max_connection_age_ms': options.connectionAgeMs,
    'grpc.max_connection_age_grace_ms': ageGraceMs,
    'grpc.max_connection_idle_ms': options.connectionIdleMs,
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
  });
  const healthService = health.service();
  const listed = [healthService.definition.fullName, ...names];
  const reflection = reflectionServices(dependencies.descriptors, listed);
  const unaryRoutes = new Map<string, (exchange: UnaryExchange) => void>();
  for (const each of [...services, healthService, ...reflection]) {
    for (const { path, type, handle, take } of routesOf(door, each)) {
      grpc.register(path, handle, asItIs, asItIs, type);
      if (take !== undefined) unaryRoutes.set(path, take);
    }
  }
  const carrier =
    options.http2 === 'own'
      ? ownConnections(dependencies, grpc, unaryRoutes, options)
      : nodeConnections(dependencies, grpc, unaryRoutes, options);

  const sockets = new Set<Socket>();
  const listener = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    // A reset connection is the client's business; HTTP/2 has its own listener for what it must clean up.
    socket.on('error', () => socket.destroy());
    const silence = env.timers.after(silentMsMax, () => {
      if (socket.bytesRead === 0) socket.destroy();
    });
    socket.on('close', () => {
      silence.cancel();
      sockets.delete(socket);
    });
    carrier.accept(socket);
  });
  listener.maxConnections = options.connectionsMax;
  await listen(listener, options);
  const address = listener.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;

  return {
    port,
    get requestsInFlight() {
      return door.admission.requests;
    },
    get bytesInFlight() {
      return door.admission.bytes;
    },
    get connections() {
      return sockets.size;
    },
    drain(boundMs) {
      health.stopServing();
      door.startDraining();
      return new Promise((resolve) => {
        const bound = env.timers.after(boundMs, () => resolve(false));
        door.admission.onIdle(() => {
          bound.cancel();
          resolve(true);
        });
      });
    },
    async close() {
      door.startDraining();
      health.close();
      // Resolves when the last connection is gone. tryShutdown does not: on this Node the sessions count as closed as soon as
      // they are asked to, while answers are still on their way.
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      carrier.shutdown();
      await new Promise<void>((resolve) => {
        const bound = env.timers.after(goodbyeMs, resolve);
        void closed.then(() => {
          bound.cancel();
          resolve();
        });
      });
      grpc.forceShutdown();
      // Without channelz grpc-js does not know its sessions, and closes none of them.
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Who speaks HTTP/2 on the connections. */
interface Carrier {
  accept(socket: Socket): void;
  /** Ends every connection once its calls are done. */
  shutdown(): void;
}

function ownConnections(
  { env }: ServerDependencies,
  grpc: Server,
  routes: ReadonlyMap<string, (exchange: UnaryExchange) => void>,
  options: ServerOptions,
): Carrier {
  const connections = new Set<Connection>();
  const serve = streamServer({ grpc, clock: env.clock, routes }, options);
  return {
    accept(socket) {
      const connection = new Connection(
        { env, socket, serve },
        {
          streamsMax: options.streamsPerConnectionMax,
          idleMs: options.connectionIdleMs,
          ageMs: options.connectionAgeMs,
          ageGraceMs,
          keepaliveMs,
          keepaliveTimeoutMs,
        },
      );
      connections.add(connection);
      socket.on('close', () => connections.delete(connection));
    },
    shutdown() {
      for (const connection of connections) connection.shutdown('shutdown');
    },
  };
}

function nodeConnections(
  { env }: ServerDependencies,
  grpc: Server,
  routes: ReadonlyMap<string, (exchange: UnaryExchange) => void>,
  options: ServerOptions,
): Carrier {
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  serveUnaryStreams(grpc, { clock: env.clock, routes }, options);
  return {
    accept: (socket) => injector.injectConnection(socket),
    shutdown: () => grpc.tryShutdown(() => {}),
  };
}

function listen(listener: NetServer, options: ServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once('error', reject);
    listener.listen({ host: options.host, port: options.port }, () => {
      listener.off('error', reject);
      resolve();
    });
  });
}

/** One method as grpc-js serves it: the door behind its path. */
export interface DoorRoute {
  /** `/kindred.v1.KeyValueService/Get` */
  readonly path: string;
  readonly type: 'unary' | 'serverStream' | 'bidi';
  readonly handle: UntypedHandleCall;
  /** Of a unary method: takes a call, whoever carries it. */
  readonly take?: (exchange: UnaryExchange) => void;
}

/** The methods of a service behind the door, for whoever carries the calls. */
export function routesOf(
  door: Door,
  { definition, handlers, writes, watches, alwaysOn }: Service,
): readonly DoorRoute[] {
  return Object.entries(definition.methods).map(([key, method]) => {
    const handler = handlers[key];
    const doorMethod: DoorMethod = {
      name: method.name,
      writes: writes.has(method.name),
      watches: watches.has(method.name),
      alwaysOn,
      requestType: method.requestType,
      responseType: method.responseType,
    };
    const path = `/${definition.fullName}/${method.name}`;
    if (method.requestStream) {
      const handle: handleBidiStreamingCall<Buffer, Buffer> = (call) =>
        door.begin(new OpenDuplex(door, doorMethod, handler, call), doorMethod);
      return { path, type: 'bidi', handle: handle as UntypedHandleCall };
    }
    if (method.responseStream) {
      const handle: handleServerStreamingCall<Buffer, Buffer> = (call) =>
        door.begin(new OpenStream(door, doorMethod, handler, call), doorMethod);
      return { path, type: 'serverStream', handle: handle as UntypedHandleCall };
    }
    const take = (exchange: UnaryExchange): void =>
      door.begin(new OpenUnary(door, doorMethod, handler, exchange), doorMethod);
    const handle: handleUnaryCall<Buffer, Buffer> = (call, callback) =>
      take(new GrpcUnaryExchange(call, callback));
    return { path, type: 'unary', handle: handle as UntypedHandleCall, take };
  });
}

/** Requests are decoded behind the door, once they are let in, and answers come encoded, so that they can be counted. */
function asItIs(bytes: Buffer): Buffer {
  return bytes;
}
