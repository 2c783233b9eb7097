/**
 * A connection between two simulated hosts: two ends (`simulated-stream.ts`), each with its own process, and the links that
 * what they send travels on.
 */

import type { PeerChannel } from '../../../src/env/network.ts';
import type { EventOwner, SimulatedEvent } from '../kernel/scheduler.ts';
import { FrameNames } from './frame-names.ts';
import type { SimulatedLink } from './simulated-link.ts';
import { StreamEnd } from './simulated-stream.ts';
import { eventKind, type World } from './world.ts';

/** What connections need of their network. */
export interface ConnectionContext {
  readonly world: World;
  /** Of what happens on the wire, whoever lives. */
  readonly wire: EventOwner;
  /** Counts frames, so that a trace can tell them apart. */
  readonly nextMessage: () => number;
  /** Whether there is a machine that could answer. */
  readonly isUp: (host: string) => boolean;
  readonly over: (connection: SimulatedConnection) => void;
}

/** Two ends, and what both know. */
export class SimulatedConnection {
  readonly channel: PeerChannel;
  readonly port: number;
  readonly dialling: StreamEnd;
  readonly accepting: StreamEnd;
  readonly context: ConnectionContext;
  readonly names: FrameNames | undefined;
  /** Both directions carry. */
  established = false;
  /** When it was last cut off from open links. */
  blockedAtMicros = 0;

  constructor(
    context: ConnectionContext,
    options: {
      readonly channel: PeerChannel;
      readonly port: number;
      readonly owner: EventOwner;
      readonly there: SimulatedLink;
      readonly back: SimulatedLink;
    },
  ) {
    const { channel, port, owner, there, back } = options;
    this.context = context;
    this.channel = channel;
    this.port = port;
    this.names = context.world.trace === undefined ? undefined : new FrameNames(channel);
    this.dialling = new StreamEnd(this, there, owner);
    this.accepting = new StreamEnd(this, back, undefined);
    this.dialling.other = this.accepting;
    this.accepting.other = this.dialling;
  }

  get ends(): readonly [StreamEnd, StreamEnd] {
    return [this.dialling, this.accepting];
  }

  isBetween(a: string, b: string): boolean {
    const { from, to } = this.dialling.link;
    return (from === a && to === b) || (from === b && to === a);
  }

  get isBlocked(): boolean {
    return this.dialling.link.blocked || this.accepting.link.blocked;
  }

  /** Both ends hear of it, each in its own time, after some of what was under way to it. */
  cut(message: string): void {
    // A packet that asks for a connection is simply sent again.
    if (!this.established) return;
    for (const end of this.ends) end.breakPipe(message);
  }

  /** A listener takes the connection in: the pipes carry from now on. */
  accept(owner: EventOwner, task: () => void): void {
    this.accepting.owner = owner;
    this.established = true;
    for (const end of this.ends) end.release(0);
    this.later(0, owner, eventKind.stream, () => {
      if (this.accepting.finished) return;
      this.trace(this.accepting, 'accepted');
      this.accepting.accepted = true;
      task();
      this.accepting.pump();
    });
  }

  later(micros: number, owner: EventOwner, kind: number, run: () => void): SimulatedEvent {
    const { scheduler } = this.context.world;
    return scheduler.at(scheduler.nowMicros + micros, owner, kind, run);
  }

  trace(end: StreamEnd, what: string): void {
    const { trace, scheduler } = this.context.world;
    if (trace === undefined) return;
    const { from, to } = end.link;
    trace.add({
      atMicros: scheduler.nowMicros,
      kind: 'stream',
      at: from,
      peer: to,
      text: `${this.channel} ${end === this.dialling ? 'to' : 'from'} ${to}: ${what}`,
    });
  }
}
