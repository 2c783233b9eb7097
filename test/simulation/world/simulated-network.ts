/**
 * The network between simulated hosts: who listens where, which connections there are, and what goes wrong with them. Each
 * life of a process gets an endpoint of its own (`Network` of src/env); nothing that it asked for happens after its death.
 *
 * Hosts are names. Every pair has weather of its own in each direction, so that what happens on one link does not move what
 * is drawn for another.
 */

import {
  type FrameStream,
  type Listener,
  type Network,
  NetworkError,
  type PeerChannel,
} from '../../../src/env/network.ts';
import { EventOwner } from '../kernel/scheduler.ts';
import type { NetworkWeather } from '../plan/seed-plan.ts';
import { type ConnectionContext, SimulatedConnection } from './simulated-connection.ts';
import { SimulatedLink, travelText } from './simulated-link.ts';
import { eventKind, type World } from './world.ts';

type Accept = (channel: PeerChannel, stream: FrameStream) => void;
type Address = { readonly host: string; readonly port: number };

/** Folded into the hash for what happens on the wire: no process has it. */
const wireNumber = 4_095;
/** TCP repeats the first packet after 1 s, then after twice as long each time. */
const dialRetryMicros = 1_000_000;
const dialRetriesMax = 4;
/** After this long without acknowledgements an end gives its connection up: the keepalive of 10 s, and its time-out. */
const giveUpMicros = { least: 10_000_000, most: 20_000_000 };

interface ListeningSocket {
  readonly owner: EventOwner;
  readonly accept: Accept;
}

export class SimulatedNetwork {
  readonly #world: World;
  readonly #weather: NetworkWeather;
  #calm = false;
  readonly #wire = new EventOwner('wire', wireNumber);
  readonly #links = new Map<string, SimulatedLink>();
  readonly #listeners = new Map<string, ListeningSocket>();
  readonly #connections = new Set<SimulatedConnection>();
  /** Machines without power. */
  readonly #down = new Set<string>();
  readonly #hostOf = new Map<EventOwner, string>();
  readonly #context: ConnectionContext;
  #messages = 0;
  #nextPort = 40_000;

  constructor(world: World, weather: NetworkWeather) {
    this.#world = world;
    this.#weather = weather;
    this.#context = {
      world,
      wire: this.#wire,
      nextMessage: () => ++this.#messages,
      isUp: (host) => !this.#down.has(host),
      over: (connection) => this.#connections.delete(connection),
    };
  }

  /** The network as one life of a process on `host` sees it. It listens at its host's name, whatever it asks for. */
  endpoint(host: string, owner: EventOwner): Network {
    if (this.#down.delete(host)) {
      for (const { ends } of this.#connections)
        for (const end of ends) if (end.link.to === host) end.noticeReturn();
    }
    this.#hostOf.set(owner, host);
    return {
      listen: (address, accept) => this.#listen(host, owner, address, accept),
      dial: (address, channel) => this.#dial(host, owner, address, channel),
    };
  }

  /** Connections of which an end is still held. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * While on, nothing passes from one to the other, and nobody is told. What is sent waits, as TCP repeats it, and comes
   * when the link is open again; if that takes too long, both ends give up, each at its own time.
   */
  block(from: string, to: string, on: boolean): void {
    const link = this.#link(from, to);
    if (link.blocked === on) return;
    link.blocked = on;
    const retryMicros = on ? 0 : link.retryMicros();
    for (const connection of this.#connections) {
      if (!connection.isBetween(from, to)) continue;
      if (on && !this.#link(to, from).blocked) this.#giveUpLater(connection);
      if (on) continue;
      for (const end of connection.ends) {
        if (end.link === link) end.release(retryMicros);
        end.noticeReturn();
      }
    }
  }

  /** Breaks all streams between the two. Their ends hear of it at different times, after some of what was under way. */
  cut(a: string, b: string): void {
    for (const connection of this.#between(a, b)) {
      for (const end of connection.ends) if (end.link.random.percent(30)) end.delayTravelling();
      connection.cut(`connection between ${a} and ${b} was cut`);
    }
  }

  /**
   * The end at `a` of all streams between the two breaks. The other hears nothing until it sends something (and then not
   * within `deafMicros`) or its keepalive goes unanswered; what was under way to it still comes, perhaps late.
   */
  halfOpen(a: string, b: string, deafMicros = 0): void {
    for (const connection of this.#between(a, b)) {
      const end = connection.ends.find(({ link }) => link.from === a);
      if (end === undefined || end.finished) continue;
      end.delayTravelling();
      end.fail('reset', `connection to ${b} was reset`);
      if (end.other.owner !== undefined) end.other.loseTouch(deafMicros);
    }
  }

  /** Everything from one to the other takes so much longer; 0 ends it. */
  slow(from: string, to: string, extraMicros: number): void {
    this.#link(from, to).extraMicros = extraMicros;
  }

  /**
   * The process is dead: its listeners are gone and its streams break. `silently`, as without power: nobody is told, and the
   * host does not answer until it has an endpoint again. Halt the owner first.
   */
  kill(owner: EventOwner, options: { readonly silently: boolean } = { silently: false }): void {
    const host = this.#hostOf.get(owner);
    this.#hostOf.delete(owner);
    if (options.silently && host !== undefined) this.#down.add(host);
    for (const [address, listener] of this.#listeners) {
      if (listener.owner === owner) this.#listeners.delete(address);
    }
    for (const connection of [...this.#connections]) {
      for (const end of connection.ends) if (end.owner === owner) end.die(options.silently);
    }
  }

  /** Ends all blocks and delays, and what the weather does to messages. Broken streams stay broken. */
  heal(): void {
    this.#calm = true;
    for (const link of this.#links.values()) {
      link.calm = true;
      link.extraMicros = 0;
      this.block(link.from, link.to, false);
    }
  }

  /** Why what was sent last takes so many microseconds, for the trace; empty where nothing is unusual. */
  lateText(from: string, to: string, micros: number): string {
    const { late, usualMicros } = this.#link(from, to);
    return late === undefined || micros <= usualMicros ? '' : `, ${travelText(micros, late)}`;
  }

  /** What a message of `bytes` takes this time; `blocked` when it does not get through now. For what uses no streams. */
  delayMicros(from: string, to: string, bytes: number): number | 'blocked' {
    const link = this.#link(from, to);
    return link.blocked ? 'blocked' : link.delayMicros(bytes);
  }

  async #listen(host: string, owner: EventOwner, { port }: Address, accept: Accept): Promise<Listener> {
    const chosen = port === 0 ? this.#nextPort++ : port;
    const address = `${host}:${chosen}`;
    const earlier = this.#listeners.get(address);
    if (earlier !== undefined && earlier.owner.state !== 'halted') {
      throw new NetworkError('address-unavailable', `cannot listen for peers on ${address}: it is in use`);
    }
    const listener: ListeningSocket = { owner, accept };
    if (owner.state !== 'halted') this.#listeners.set(address, listener);
    return {
      port: chosen,
      close: async () => {
        if (this.#listeners.get(address) !== listener) return;
        this.#listeners.delete(address);
        for (const { accepting, port: accepted } of this.#connections) {
          if (accepting.owner === owner && accepted === chosen) accepting.close();
        }
      },
    };
  }

  #dial(host: string, owner: EventOwner, address: Address, channel: PeerChannel): FrameStream {
    const connection = new SimulatedConnection(this.#context, {
      channel,
      port: address.port,
      owner,
      there: this.#link(host, address.host),
      back: this.#link(address.host, host),
    });
    if (owner.state === 'halted') return connection.dialling;
    this.#connections.add(connection);
    connection.trace(connection.dialling, 'dials');
    this.#knock(connection, address, 0);
    return connection.dialling;
  }

  /** Sends the packet that asks for a connection, and the answer to it. */
  #knock(connection: SimulatedConnection, address: Address, retries: number): void {
    const { dialling, accepting } = connection;
    // Closed already: it still connects, if only to deliver what was sent before the close.
    if (dialling.finished && !dialling.hasUnsent) return;
    const { link } = dialling;
    if (connection.isBlocked || this.#down.has(address.host)) {
      const micros = dialRetryMicros * 2 ** retries;
      connection.later(micros, this.#wire, eventKind.stream, () => {
        if (retries < dialRetriesMax) this.#knock(connection, address, retries + 1);
        else dialling.fail('unreachable', `${address.host}:${address.port} does not answer`);
      });
      return;
    }
    // One event for the packet and its answer: what happens in between is not to be seen.
    const micros = link.delayMicros(0) + accepting.link.delayMicros(0);
    connection.later(micros, this.#wire, eventKind.stream, () => {
      if (connection.isBlocked || this.#down.has(address.host)) {
        this.#knock(connection, address, retries);
        return;
      }
      const listener = this.#listeners.get(`${address.host}:${address.port}`);
      if (listener === undefined || listener.owner.state === 'halted') {
        dialling.fail('unreachable', `connection refused by ${address.host}:${address.port}`);
      } else if (!dialling.finished || dialling.hasUnsent) {
        this.#connections.add(connection);
        connection.accept(listener.owner, () => listener.accept(connection.channel, accepting));
      }
    });
  }

  #giveUpLater(connection: SimulatedConnection): void {
    if (!connection.established) return;
    const { least, most } = giveUpMicros;
    const blockedAt = this.#world.scheduler.nowMicros;
    connection.blockedAtMicros = blockedAt;
    for (const end of connection.ends) {
      const { random } = end.link;
      connection.later(random.between(least, most), this.#wire, eventKind.stream, () => {
        if (!connection.isBlocked || connection.blockedAtMicros !== blockedAt || end.finished) return;
        end.fail('reset', `connection to ${end.link.to} timed out`);
        end.other.loseTouch(0);
      });
    }
  }

  #between(a: string, b: string): SimulatedConnection[] {
    return [...this.#connections].filter((connection) => connection.isBetween(a, b));
  }

  #link(from: string, to: string): SimulatedLink {
    const name = `${from}>${to}`;
    let link = this.#links.get(name);
    if (link === undefined) {
      link = new SimulatedLink(from, to, this.#weather, this.#world.randomFor(`link ${name}`));
      link.calm = this.#calm;
      this.#links.set(name, link);
    }
    return link;
  }
}
