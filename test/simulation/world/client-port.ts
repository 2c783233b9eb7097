/**
 * The client port of a simulated node, and the connections of clients to it. What gRPC does on the wire is done here with
 * messages in memory: bytes in, bytes and trailers out, deadlines, cancellation, broken connections. Behind it stand the
 * real door, the real services and the real encoding.
 */

import { EventEmitter } from 'node:events';
import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type StatusObject,
} from '@grpc/grpc-js';
import { Door } from '../../../src/rpc/door.ts';
import { type DoorRoute, routesOf } from '../../../src/rpc/server.ts';
import type { OpenClientPort } from '../../../src/wiring.ts';
import type { EventOwner } from '../kernel/scheduler.ts';
import type { SimulatedClock } from '../kernel/simulated-clock.ts';

/** What a caller hears of its call. Each is called while an event of the node runs. */
export interface CallListener {
  message(bytes: Uint8Array): void;
  /** The end. `undefined`: OK. */
  ended(status: StatusObject | undefined): void;
}

/** A call as the node sees it: what grpc-js would hand to the door. */
export class ServerCall extends EventEmitter {
  readonly metadata: Metadata = new Metadata();
  readonly request: Buffer;
  /** What the door takes of the HTTP/2 stream beneath. */
  readonly call: { readonly stream: { writableEnded: boolean; close: () => void } };
  cancelled = false;
  readonly #deadlineEpochMs: number;
  readonly #listener: CallListener;
  #paused = true;
  #inbox: (Buffer | undefined)[] = [];
  #over = false;

  constructor(request: Buffer, deadlineEpochMs: number, listener: CallListener) {
    super();
    this.request = request;
    this.#deadlineEpochMs = deadlineEpochMs;
    this.#listener = listener;
    this.call = { stream: { writableEnded: false, close: () => this.cancel() } };
  }

  getDeadline(): number {
    return this.#deadlineEpochMs;
  }

  // ---- from the door ----

  write(message: Uint8Array, written: () => void): boolean {
    if (!this.#over) this.#listener.message(message);
    // Taken by the socket: what the client has not read waits there.
    queueMicrotask(written);
    return true;
  }

  end(): void {
    this.#finish(undefined);
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event !== 'error') return super.emit(event, ...args);
    this.#finish(args[0] as StatusObject);
    return true;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#deliver();
  }

  override on(event: string | symbol, listener: (...args: never[]) => void): this {
    super.on(event, listener as (...args: unknown[]) => void);
    // As on any stream of Node's: whoever listens for data has it flow.
    if (event === 'data') this.resume();
    return this;
  }

  // ---- from the network ----

  answer(error: Partial<StatusObject> | null, message: Uint8Array | null | undefined): void {
    if (this.#over) return;
    if (error === null && message !== null && message !== undefined) this.#listener.message(message);
    this.#finish(error === null ? undefined : (error as StatusObject));
  }

  receive(message: Buffer | undefined): void {
    this.#inbox.push(message);
    this.#deliver();
  }

  /** The client is gone, or its deadline has passed. */
  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.cancelled = true;
    this.call.stream.writableEnded = true;
    super.emit('cancelled');
  }

  #deliver(): void {
    while (!this.#paused && !this.#over) {
      if (this.#inbox.length === 0) return;
      const message = this.#inbox.shift();
      if (message === undefined) super.emit('end');
      else super.emit('data', message);
    }
  }

  #finish(status: StatusObject | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.call.stream.writableEnded = true;
    this.#listener.ended(status);
    // grpc-js says so at every end of a call, a good one included.
    super.emit('cancelled');
  }
}

/** The open port of one life of a node. */
export class SimulatedClientPort {
  readonly owner: EventOwner;
  readonly #routes: ReadonlyMap<string, DoorRoute>;
  readonly #clock: SimulatedClock;
  readonly #calls = new Set<ServerCall>();
  readonly #breakListeners = new Set<() => void>();

  constructor(owner: EventOwner, clock: SimulatedClock, routes: ReadonlyMap<string, DoorRoute>) {
    this.owner = owner;
    this.#clock = clock;
    this.#routes = routes;
  }

  /** Begins a call. `timeoutMs` is what the client's header says. */
  begin(
    path: string,
    request: Buffer,
    options: { readonly timeoutMs: number; readonly attempts: number },
    listener: CallListener,
  ): ServerCall {
    const route = this.#routes.get(path);
    if (route === undefined) throw new Error(`the node has no method ${path}`);
    // grpc-js reckons the deadline with the wall clock of the server's machine.
    const call = new ServerCall(request, this.#clock.wallMicros() / 1000 + options.timeoutMs, {
      message: (bytes) => listener.message(bytes),
      ended: (status) => {
        this.#calls.delete(call);
        listener.ended(status);
      },
    });
    this.#calls.add(call);
    if (options.attempts > 0) call.metadata.set('grpc-previous-rpc-attempts', String(options.attempts));
    switch (route.type) {
      case 'unary':
        (route.handle as handleUnaryCall<Buffer, Buffer>)(call as never, (error, message) =>
          call.answer(error as StatusObject | null, message),
        );
        break;
      case 'serverStream':
        (route.handle as handleServerStreamingCall<Buffer, Buffer>)(call as never);
        break;
      case 'bidi':
        (route.handle as handleBidiStreamingCall<Buffer, Buffer>)(call as never);
        break;
    }
    return call;
  }

  /** Calls back when the connections break that are open now; the result takes it back. */
  onBreak(listener: () => void): () => void {
    this.#breakListeners.add(listener);
    return () => this.#breakListeners.delete(listener);
  }

  /** The port is gone, and with it every connection: clients hear of it, the node (if it lives) of its calls. */
  close(node: 'alive' | 'dead'): void {
    for (const listener of [...this.#breakListeners]) listener();
    this.#breakListeners.clear();
    if (node === 'alive') for (const call of [...this.#calls]) call.cancel();
    this.#calls.clear();
  }
}

/** Opens client ports for one life of a node: `opened` hears of the port, and of its end. */
export function clientPortOpener(
  owner: EventOwner,
  clock: SimulatedClock,
  opened: (port: SimulatedClientPort | undefined) => void,
): OpenClientPort {
  return async (dependencies, options) => {
    const door = new Door(dependencies, options);
    const routes = new Map<string, DoorRoute>();
    for (const service of dependencies.services) {
      for (const route of routesOf(door, service)) routes.set(route.path, route);
    }
    const port = new SimulatedClientPort(owner, clock, routes);
    opened(port);
    const { timers } = dependencies.env;
    return {
      port: options.port,
      get requestsInFlight() {
        return door.admission.requests;
      },
      get bytesInFlight() {
        return door.admission.bytes;
      },
      connections: 0,
      drain(boundMs) {
        door.startDraining();
        return new Promise((resolve) => {
          const bound = timers.after(boundMs, () => resolve(false));
          door.admission.onIdle(() => {
            bound.cancel();
            resolve(true);
          });
        });
      },
      async close() {
        door.startDraining();
        opened(undefined);
        port.close('alive');
      },
    };
  };
}
