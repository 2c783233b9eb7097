/**
 * One end of a connection and the pipe to the other, as TCP makes them: what is sent arrives whole and in order, late when
 * something in front was lost, or the stream breaks. Each end learns of a break in its own time, or only when its
 * keepalive goes unanswered.
 */

import { crc32 } from 'node:zlib';
import { assert } from '../../../src/core/assert.ts';
import { type FrameStream, NetworkError, type NetworkErrorCode } from '../../../src/env/network.ts';
import type { EventOwner, SimulatedEvent } from '../kernel/scheduler.ts';
import { concerning } from '../kernel/trace.ts';
import type { SimulatedConnection } from './simulated-connection.ts';
import { type SimulatedLink, travelText } from './simulated-link.ts';
import { eventKind } from './world.ts';

/** As in production: src/rpc/grpc-network.ts. */
const frameBytesMax = 16 * 1024 * 1024;
const closeGraceMicros = 1_000_000;
/** A connection is pinged after 10 s and given up after 5 s more; pings are due at any time in between. */
const keepaliveMicros = { least: 5_000_000, most: 15_000_000 };
/** Frames of a connection that was cut may come so much later than they should have. */
const stragglerMicros = 1_000_000;
/** TCP repeats what nobody acknowledges, at times that grow to this and beyond. */
const repeatMicros = 2_000_000;

type Item =
  | {
      readonly kind: 'frame';
      readonly frame: Uint8Array;
      readonly message: number;
      event?: SimulatedEvent;
      /** For the trace: when it was sent, and why it takes longer than usual. */
      readonly sentMicros: number;
      late?: string | undefined;
    }
  /** Closed in good order. */
  | { readonly kind: 'end'; event?: SimulatedEvent }
  /** Broken: the receiver gets nothing more. */
  | { readonly kind: 'break'; readonly message: string; event?: SimulatedEvent };

/** What a process holds of a connection. */
export class StreamEnd implements FrameStream {
  /** The way from this end to the other. */
  readonly link: SimulatedLink;
  /** The life of the process that holds this end; `undefined` until one has accepted it. */
  owner: EventOwner | undefined;
  other!: StreamEnd;
  accepted: boolean;
  finished = false;
  readonly #connection: SimulatedConnection;
  /** Sent, and not on its way: the link is blocked, or there is no connection yet. */
  #waiting: Item[] = [];
  /** On its way to the other end, in order. There is one event for each. */
  #travelling: Item[] = [];
  #lastArrivalMicros = 0;
  readonly #arrived: Item[] = [];
  readonly #drainListeners: (() => void)[] = [];
  readonly #closeListeners: ((error: NetworkError | undefined) => void)[] = [];
  #frameListener: ((frame: Uint8Array) => void) | undefined;
  #pendingBytes = 0;
  #held = false;
  #closing = false;
  /** The pipe to the other end is at its end: whatever is sent goes nowhere. */
  #ended = false;
  /** The other end is gone and this one was not told. It may find out by sending from this moment on. */
  #unawareUntilMicros: number | undefined;
  /** It has sent something since; its machine repeats that until somebody answers. */
  #repeating = false;

  constructor(connection: SimulatedConnection, link: SimulatedLink, owner: EventOwner | undefined) {
    this.#connection = connection;
    this.link = link;
    this.owner = owner;
    this.accepted = owner !== undefined;
  }

  send(frame: Uint8Array): boolean {
    if (this.#closing || this.finished || this.owner?.state === 'halted') return false;
    if (frame.byteLength > frameBytesMax) {
      const message = `a frame of ${frame.byteLength} bytes was to be sent; the limit is ${frameBytesMax}`;
      this.fail('frame-too-large', message);
      this.breakPipe(message);
      return false;
    }
    const { world, nextMessage } = this.#connection.context;
    const item: Item = {
      kind: 'frame',
      frame,
      message: nextMessage(),
      sentMicros: world.scheduler.nowMicros,
    };
    this.#pendingBytes += frame.byteLength;
    this.#traceFrame(item, 'sent');
    if (this.#unawareUntilMicros !== undefined) {
      this.#repeating = true;
      this.#findOut(0);
    }
    if (this.#connection.established && this.link.breaks()) {
      this.#traceFrame(item, 'lost');
      this.#connection.cut('connection reset by peer');
    } else this.#push(item);
    if (this.#pendingBytes > this.link.sendBytesMax) this.#held = true;
    return !this.#held;
  }

  /** Something is still to be sent, perhaps only that the stream was closed. */
  get hasUnsent(): boolean {
    return this.#waiting.length > 0;
  }

  onFrame(listener: (frame: Uint8Array) => void): void {
    assert(this.#frameListener === undefined, 'a frame stream has one frame listener');
    this.#frameListener = listener;
    if (this.#arrived.length > 0) this.#soon(() => this.pump());
  }

  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener);
  }

  onClose(listener: (error: NetworkError | undefined) => void): void {
    this.#closeListeners.push(listener);
  }

  close(): void {
    if (this.#closing || this.finished || this.owner?.state === 'halted') return;
    this.#closing = true;
    this.#push({ kind: 'end' });
    this.#soon(() => this.#finish(undefined));
    if (this.#waiting.length === 0) return;
    this.#connection.later(closeGraceMicros, this.#connection.context.wire, eventKind.stream, () => {
      // What could not be sent in time is given up; the other end finds out by itself.
      if (this.#waiting.length === 0) return;
      this.#dropWaiting();
      this.#ended = true;
      this.other.loseTouch(0);
    });
  }

  /** This end alone hears that the stream broke. */
  fail(code: NetworkErrorCode, message: string): void {
    if (this.finished) return;
    this.#soon(() => this.#finish(new NetworkError(code, message)));
  }

  /** The holder of this end has died. `silently`: without its machine telling anybody. */
  die(silently: boolean): void {
    const wasClosing = this.#closing;
    const wasFinished = this.finished;
    this.finished = true;
    this.#discardIncoming();
    if (wasFinished || wasClosing || !this.#connection.established) {
      // Its machine still sends what the process had closed with, if there is a machine.
      if (silently || !wasClosing) this.#dropWaiting();
      this.#overIfFinished();
      return;
    }
    this.#connection.trace(this, silently ? 'vanished' : 'died');
    if (silently) {
      this.#dropWaiting();
      this.#ended = true;
      this.other.loseTouch(0);
    } else this.breakPipe(`connection reset: ${this.link.from} ended`);
    this.#overIfFinished();
  }

  /** The other end hears of a break after some of what is under way to it: all, or as much as is drawn. */
  breakPipe(message: string): void {
    if (this.#ended) return;
    const { random } = this.link;
    if (random.percent(50)) {
      this.#dropWaiting();
      const kept = random.below(this.#travelling.length + 1);
      for (const item of this.#travelling.splice(kept)) this.#drop(item);
      this.#lastArrivalMicros = this.#travelling.at(-1)?.event?.atMicros ?? 0;
    }
    if (this.other.owner === undefined) return;
    this.#push({ kind: 'break', message });
    this.#ended = true;
  }

  /**
   * The other end is gone and says nothing. This one hears of it when its keepalive goes unanswered, or a while after it
   * sends something, but not by that within `micros`.
   */
  loseTouch(micros: number): void {
    if (this.finished || this.#unawareUntilMicros !== undefined) return;
    const { wire, world } = this.#connection.context;
    this.#unawareUntilMicros = world.scheduler.nowMicros + micros;
    const { least, most } = keepaliveMicros;
    this.#connection.later(this.link.random.between(least, most), wire, eventKind.stream, () =>
      this.fail('reset', `${this.link.to} has not answered a ping`),
    );
  }

  /** The way to the other end is open again, and if there is nobody, its machine says so to what is repeated. */
  noticeReturn(): void {
    if (this.#repeating) this.#findOut(this.link.random.below(repeatMicros));
  }

  /** Frames that are under way will come later than they should. */
  delayTravelling(): void {
    const { scheduler } = this.#connection.context.world;
    const late = this.link.random.below(stragglerMicros);
    for (const item of this.#travelling) {
      const { event } = item;
      if (event === undefined) continue;
      scheduler.cancel(event);
      this.#launch(item, event.atMicros + late);
    }
  }

  /** Sends what has waited, after `micros`, if it can be sent now. */
  release(micros: number): void {
    if (!this.#connection.established || this.link.blocked || this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    const { scheduler } = this.#connection.context.world;
    this.#lastArrivalMicros = Math.max(this.#lastArrivalMicros, scheduler.nowMicros + micros);
    for (const item of waiting) this.#travel(item);
  }

  /** Hands over what has arrived, if somebody listens. */
  pump(): void {
    if (!this.accepted) return;
    for (let next = this.#arrived[0]; next !== undefined; next = this.#arrived[0]) {
      if (this.finished) return;
      if (next.kind === 'end') {
        this.#arrived.length = 0;
        this.#finish(undefined);
        return;
      }
      if (next.kind === 'break' || this.#frameListener === undefined) return;
      this.#arrived.shift();
      this.other.#taken(next.frame.byteLength);
      if (!this.#closing) this.#frameListener(next.frame);
    }
  }

  #push(item: Item): void {
    // An end that has finished takes nothing any more.
    if (this.#ended || (this.other.finished && this.other.owner !== undefined))
      this.#traceFrame(item, 'lost');
    else if (!this.#connection.established || this.link.blocked || this.#waiting.length > 0)
      this.#waiting.push(item);
    else this.#travel(item);
  }

  #travel(item: Item): void {
    const { scheduler } = this.#connection.context.world;
    const bytes = item.kind === 'frame' ? item.frame.byteLength : 0;
    const ownMicros = scheduler.nowMicros + this.link.delayMicros(bytes);
    // What was lost in front holds up what comes behind it.
    const atMicros = Math.max(ownMicros, this.#lastArrivalMicros);
    if (item.kind === 'frame') {
      const { late } = this.link;
      if (item.sentMicros < scheduler.nowMicros) item.late = 'waited for the link';
      else item.late = atMicros > ownMicros ? 'behind one that is late' : late;
    }
    this.#lastArrivalMicros = atMicros;
    this.#travelling.push(item);
    this.#launch(item, atMicros);
  }

  #launch(item: Item, atMicros: number): void {
    const { world, wire } = this.#connection.context;
    this.#lastArrivalMicros = Math.max(this.#lastArrivalMicros, atMicros);
    const kind = item.kind === 'frame' ? eventKind.frame : eventKind.stream;
    // Whatever becomes of the order of events, items arrive in the order in which they were sent.
    item.event = world.scheduler.at(atMicros, this.other.owner ?? wire, kind, () => {
      const first = this.#travelling.shift();
      if (first !== undefined) this.other.#arrive(first);
    });
  }

  #arrive(item: Item): void {
    if (item.kind === 'frame') {
      if (this.finished || this.#closing) {
        this.other.#traceFrame(item, 'lost');
        return;
      }
      this.#connection.context.world.scheduler.mix(crc32(item.frame));
      this.other.#traceFrame(item, 'arrived');
    } else if (this.finished) return;
    if (item.kind === 'break') {
      this.#arrived.length = 0;
      this.#finish(new NetworkError('reset', item.message));
      return;
    }
    this.#arrived.push(item);
    this.pump();
  }

  #taken(bytes: number): void {
    this.#pendingBytes -= bytes;
    if (!this.#held || this.#pendingBytes > this.link.sendBytesMax / 2) return;
    this.#held = false;
    const { owner } = this;
    if (owner === undefined || this.finished) return;
    this.#connection.later(this.other.link.delayMicros(0), owner, eventKind.stream, () => {
      if (this.#closing || this.finished) return;
      for (const listener of this.#drainListeners) listener();
    });
  }

  /** Something was sent to an end that is gone: its machine says so, if it can. */
  #findOut(afterMicros: number): void {
    const { world, isUp } = this.#connection.context;
    const { nowMicros } = world.scheduler;
    const { owner, other, link } = this;
    if (owner === undefined || this.#connection.isBlocked || !isUp(link.to)) return;
    if (this.#unawareUntilMicros === undefined || nowMicros < this.#unawareUntilMicros) return;
    this.#unawareUntilMicros = Number.POSITIVE_INFINITY;
    const micros = afterMicros + link.delayMicros(0) + other.link.delayMicros(0);
    this.#connection.later(micros, owner, eventKind.stream, () =>
      this.#finish(new NetworkError('reset', `${link.to} does not know this connection`)),
    );
  }

  #finish(error: NetworkError | undefined): void {
    if (this.finished) return;
    this.finished = true;
    this.#discardIncoming();
    this.#connection.trace(this, this.#closing || error === undefined ? 'closed' : error.message);
    // An end that broke by itself sends nothing more, and answers nothing.
    if (!this.#closing) {
      this.#dropWaiting();
      this.#ended = true;
      // What would have told the other end may have been dropped just now.
      if (this.#travelling.every(({ kind }) => kind === 'frame')) this.other.loseTouch(0);
    }
    this.#overIfFinished();
    for (const listener of this.#closeListeners) listener(this.#closing ? undefined : error);
  }

  #overIfFinished(): void {
    if (this.finished && (this.other.finished || this.other.owner === undefined))
      this.#connection.context.over(this.#connection);
  }

  #discardIncoming(): void {
    const { other } = this;
    for (const item of other.#travelling.splice(0)) other.#drop(item);
  }

  #dropWaiting(): void {
    for (const item of this.#waiting) this.#traceFrame(item, 'lost');
    this.#waiting = [];
  }

  #drop(item: Item): void {
    if (item.event !== undefined) this.#connection.context.world.scheduler.cancel(item.event);
    this.#traceFrame(item, 'lost');
  }

  #soon(task: () => void): void {
    if (this.owner !== undefined) this.#connection.later(0, this.owner, eventKind.stream, task);
  }

  /** `this` is the end that sent it. */
  #traceFrame(item: Item, direction: 'sent' | 'arrived' | 'lost'): void {
    const { trace, scheduler } = this.#connection.context.world;
    const { names } = this.#connection;
    if (trace === undefined || names === undefined || item.kind !== 'frame') return;
    const { from, to } = this.link;
    const { text, keys } = names.describe(
      item.frame,
      this === this.#connection.dialling ? 'request' : 'reply',
    );
    const tookMicros = scheduler.nowMicros - item.sentMicros;
    const isLate = direction === 'arrived' && item.late !== undefined && tookMicros > this.link.usualMicros;
    trace.add({
      atMicros: scheduler.nowMicros,
      kind: 'frame',
      at: direction === 'sent' ? from : to,
      peer: direction === 'sent' ? to : from,
      message: item.message,
      direction,
      ...concerning(keys),
      text: isLate ? `${text}, ${travelText(tookMicros, item.late)}` : text,
    });
  }
}
