/**
 * A TCP proxy between a client and the client port of one node, which breaks connections in the ways that networks do: resets
 * those that are open, refuses new ones, holds the bytes of one direction back, or lets them come late.
 */

import { connect, createServer, type Server, type Socket } from 'node:net';

/** `requests`: from the client to the node. `answers`: back. */
export type Direction = 'requests' | 'answers';

const bytesHeldMax = 16 * 1024 * 1024;

export class FaultProxy {
  readonly port: number;
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  readonly #gates: Record<Direction, Gate> = { requests: new Gate(), answers: new Gate() };
  #server: Server | undefined;

  private constructor(port: number, target: number) {
    this.port = port;
    this.#target = target;
  }

  /** Both ports are on 127.0.0.1. */
  static async listen(port: number, target: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(port, target);
    await proxy.#listen();
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Resets all connections. New ones come about, and nothing is held back from now on. */
  reset(): void {
    // First the connections: what was held back must not be delivered at the last moment.
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#sockets.clear();
    for (const gate of Object.values(this.#gates)) gate.open();
  }

  /** Resets all connections, and refuses new ones until healed. */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.reset();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  /** Holds back what comes in a direction, until healed or reset. */
  stall(direction: Direction): void {
    this.#gates[direction].close();
  }

  /** What comes in a direction arrives so much later. */
  delay(direction: Direction, ms: number): void {
    this.#gates[direction].delayMs = ms;
  }

  /** No fault from now on; what was held back is delivered. */
  async heal(): Promise<void> {
    for (const gate of Object.values(this.#gates)) gate.open();
    if (this.#server === undefined) await this.#listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.refuse();
  }

  async #listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    this.#server = server;
  }

  #accept(client: Socket): void {
    const node = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true });
    for (const [socket, other] of [
      [client, node],
      [node, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => other.resetAndDestroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        if (socket.errored !== null) other.resetAndDestroy();
      });
    }
    carry(client, node, this.#gates.requests);
    carry(node, client, this.#gates.answers);
  }
}

/** One direction, for all connections. */
class Gate {
  delayMs = 0;
  #opened: Promise<void> | undefined;
  #release: () => void = () => {};

  close(): void {
    this.#opened ??= new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  open(): void {
    this.delayMs = 0;
    this.#opened = undefined;
    this.#release();
  }

  /** Resolves when what arrived at `arrivedMs` may go on. */
  async pass(arrivedMs: number): Promise<void> {
    const earlyMs = arrivedMs + this.delayMs - performance.now();
    if (earlyMs > 0) await new Promise((resolve) => setTimeout(resolve, earlyMs));
    // It may have closed again meanwhile.
    while (this.#opened !== undefined) await this.#opened;
  }
}

/** Carries one direction of one connection, in order. */
function carry(from: Socket, to: Socket, gate: Gate): void {
  let last: Promise<void> = Promise.resolve();
  let held = 0;
  const inOrder = (deliver: () => void): void => {
    const arrivedMs = performance.now();
    last = last
      .then(() => gate.pass(arrivedMs))
      .then(() => {
        if (!to.destroyed) deliver();
      });
  };
  from.on('data', (bytes: Buffer) => {
    held += bytes.length;
    if (held > bytesHeldMax) from.pause();
    inOrder(() => {
      held -= bytes.length;
      if (from.isPaused()) from.resume();
      to.write(bytes);
    });
  });
  from.on('end', () => inOrder(() => to.end()));
}
