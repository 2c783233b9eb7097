/**
 * A TCP proxy in front of every node's peer port, which knows from which node each connection comes, and treats the bytes of
 * each direction as it is told: carries them at once or late, holds them, flips some, or cuts the connection within a frame.
 * Needs no rights at all. Clients do not pass it.
 *
 * Nodes must agree on the addresses of all members, so that all dial the same proxy. Who dials is told by the process that
 * owns the other end of the connection, in /proc.
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { SeededRandom } from '../support/seeded-random.ts';
import { allLinks, type ChaosNetwork, type DirectedLink } from './network.ts';
import type { RunDirectory } from './run-directory.ts';

/** What happens to bytes on one directed link. */
export type LinkFault =
  | { readonly kind: 'none' }
  /** Arrive so much later, in order. */
  | { readonly kind: 'delay'; readonly leastMs: number; readonly mostMs: number }
  /** Stay where they are until the fault ends; new connections are taken and say nothing. */
  | { readonly kind: 'stall' }
  /** Of each piece that arrives (up to 64 KiB), one bit is flipped with this chance. */
  | { readonly kind: 'flip'; readonly percent: number }
  /** After about so many bytes both ends see the connection reset, half a piece having been delivered. */
  | { readonly kind: 'cut'; readonly afterBytes: number };

const none: LinkFault = { kind: 'none' };
const heldBytesMax = 1024 * 1024;

/** Counts of what was done, to see that a fault did something. */
export interface LinkProxyCounts {
  flips: number;
  cuts: number;
}

/** All proxies of a run. */
export class LinkProxyNetwork implements ChaosNetwork {
  readonly kind = 'proxies';
  readonly counts: LinkProxyCounts = { flips: 0, cuts: 0 };
  readonly #directory: RunDirectory;
  readonly #random: SeededRandom;
  readonly #links = new Map<string, Link>();
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #nodeOfProcess = new Map<number, number>();
  readonly #peerPort: number;

  private constructor(directory: RunDirectory, nodes: number, peerPort: number, random: SeededRandom) {
    this.#directory = directory;
    this.#random = random;
    this.#peerPort = peerPort;
    for (const link of allLinks(nodes)) this.#links.set(nameOf(link), new Link());
  }

  static async make(
    directory: RunDirectory,
    nodes: number,
    options: { readonly peerPort: number; readonly random: SeededRandom },
  ): Promise<LinkProxyNetwork> {
    const network = new LinkProxyNetwork(directory, nodes, options.peerPort, options.random);
    for (let node = 0; node < nodes; node++) await network.#listen(node);
    return network;
  }

  memberHost(node: number): string {
    return `127.${this.#directory.subnet.join('.')}.${101 + node}`;
  }

  listenHost(node: number): string {
    return `127.${this.#directory.subnet.join('.')}.${11 + node}`;
  }

  commandPrefix(): readonly string[] {
    return [];
  }

  started(node: number, pid: number): void {
    this.#nodeOfProcess.set(pid, node);
  }

  /** Every link named has the fault from now on; the others have none. */
  set(faults: ReadonlyMap<DirectedLink, LinkFault>): void {
    const byName = new Map([...faults].map(([link, fault]) => [nameOf(link), fault]));
    for (const [name, link] of this.#links) link.set(byName.get(name) ?? none);
  }

  async cut(links: readonly DirectedLink[]): Promise<void> {
    this.set(new Map(links.map((link) => [link, { kind: 'stall' }])));
  }

  async heal(): Promise<void> {
    this.set(new Map());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.heal();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  async #listen(to: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#accept(socket, to).catch(() => socket.destroy());
    });
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#peerPort, this.memberHost(to), resolve);
    });
  }

  async #accept(dialler: Socket, to: number): Promise<void> {
    this.#keep(dialler);
    const from = this.#nodeOf(dialler);
    // Gone again, or somebody else's.
    if (from === undefined || from === to) {
      dialler.destroy();
      return;
    }
    const there = this.#link({ from, to });
    const back = this.#link({ from: to, to: from });
    // Over a link that carries nothing no connection comes about.
    await there.open();
    await back.open();
    if (dialler.destroyed) return;
    const listener = connect({ host: this.listenHost(to), port: this.#peerPort, allowHalfOpen: true });
    this.#keep(listener);
    const reset = (): void => {
      for (const socket of [dialler, listener]) if (!socket.destroyed) socket.resetAndDestroy();
    };
    const ends = { reset, random: this.#random, counts: this.counts };
    await Promise.all([carry(dialler, listener, there, ends), carry(listener, dialler, back, ends)]).catch(
      reset,
    );
  }

  #keep(socket: Socket): void {
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    // Errors are seen where the socket is read or written.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #link(link: DirectedLink): Link {
    return this.#links.get(nameOf(link)) as Link;
  }

  #nodeOf(socket: Socket): number | undefined {
    const inode = inodeOf(socket.remotePort ?? 0, socket.localPort ?? 0, socket.localAddress ?? '');
    if (inode === undefined) return;
    const owner = [...this.#nodeOfProcess].find(([pid]) => ownsSocket(pid, inode));
    return owner?.[1];
  }
}

/** The state of one direction, whatever connections use it. */
class Link {
  fault: LinkFault = none;
  #opened: Promise<void> = Promise.resolve();
  #release: () => void = () => {};

  set(fault: LinkFault): void {
    const stalled = this.fault.kind === 'stall';
    this.fault = fault;
    if (fault.kind === 'stall' && !stalled) {
      this.#opened = new Promise((resolve) => {
        this.#release = resolve;
      });
    }
    if (fault.kind !== 'stall') this.#release();
  }

  /** Resolves when the link does not hold bytes. */
  async open(): Promise<void> {
    // It may have closed again meanwhile.
    while (this.fault.kind === 'stall') await this.#opened;
  }
}

interface Ends {
  readonly reset: () => void;
  readonly random: SeededRandom;
  readonly counts: LinkProxyCounts;
}

interface Piece {
  readonly bytes: Buffer;
  readonly dueMs: number;
}

/** Carries one direction of one connection to its end. */
async function carry(from: Socket, to: Socket, link: Link, ends: Ends): Promise<void> {
  const pieces: Piece[] = [];
  let heldBytes = 0;
  let ended = false;
  let wake: () => void = () => {};
  from.on('data', (bytes: Buffer) => {
    const { fault } = link;
    const lateMs = fault.kind === 'delay' ? ends.random.between(fault.leastMs, fault.mostMs) : 0;
    pieces.push({ bytes, dueMs: performance.now() + lateMs });
    heldBytes += bytes.length;
    if (heldBytes > heldBytesMax) from.pause();
    wake();
  });
  const end = (): void => {
    ended = true;
    wake();
  };
  from.on('end', end);
  from.on('close', end);
  let carried = 0;
  for (;;) {
    const piece = pieces.shift();
    if (piece === undefined) {
      if (ended) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    const earlyMs = piece.dueMs - performance.now();
    if (earlyMs > 0) await new Promise((resolve) => setTimeout(resolve, earlyMs));
    await link.open();
    const { fault } = link;
    const { length } = piece.bytes;
    if (fault.kind === 'cut' && carried + length > fault.afterBytes) {
      ends.counts.cuts++;
      to.write(piece.bytes.subarray(0, length >> 1), ends.reset);
      return;
    }
    if (fault.kind === 'flip' && ends.random.percent(fault.percent)) {
      ends.counts.flips++;
      const at = ends.random.below(length);
      piece.bytes[at] = (piece.bytes[at] as number) ^ (1 << ends.random.below(8));
    }
    carried += length;
    heldBytes -= length;
    if (from.isPaused() && heldBytes <= heldBytesMax) from.resume();
    if (to.destroyed) break;
    if (!to.write(piece.bytes)) await drained(to);
  }
  if (from.errored !== null || !from.readableEnded) ends.reset();
  else to.end();
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}

function nameOf({ from, to }: DirectedLink): string {
  return `${from}>${to}`;
}

/** The number of the socket at the other end of a connection over loopback, which the kernel shows in /proc. */
function inodeOf(localPort: number, remotePort: number, remoteAddress: string): string | undefined {
  const remote = `${hexOf(remoteAddress)}:${hexOfPort(remotePort)}`;
  const port = `:${hexOfPort(localPort)}`;
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n')) {
    const fields = line.trim().split(/ +/);
    if (fields[1]?.endsWith(port) && fields[2] === remote) return fields[9];
  }
  return undefined;
}

/** As the kernel prints it on little-endian machines. */
function hexOf(address: string): string {
  const bytes = address.split('.').map(Number);
  return bytes
    .reverse()
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .toUpperCase();
}

function hexOfPort(port: number): string {
  return port.toString(16).padStart(4, '0').toUpperCase();
}

function ownsSocket(pid: number, inode: string): boolean {
  const directory = `/proc/${pid}/fd`;
  try {
    return readdirSync(directory).some((name) => {
      try {
        return readlinkSync(`${directory}/${name}`) === `socket:[${inode}]`;
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}
