/**
 * The verdict board on gossip: each node's verdicts are one of its entries, and its incarnation is another. A verdict names
 * the generation of the accused besides its incarnation, so that none outlives the process that it is about.
 */

import { utf8Bytes, valueBytesMax } from '../core/membership/gossip-message.ts';
import type { GossipState, MemberNews } from '../core/membership/gossip-state.ts';
import { type HeardVerdict, type Verdict, verdictsMax } from '../core/membership/verdict.ts';
import type { VerdictBoard } from './verdict-board.ts';

/** Keys of the two entries. On the wire. */
const verdictsKey = 'verdicts';
const incarnationKey = 'incarnation';

interface Said extends HeardVerdict {
  /** Of the accused, as far as the accuser had heard; 0 if it had heard nothing: then the verdict is about any. */
  readonly generation: number;
}

/** Reads and writes the entries of a `GossipState`. */
export class GossipedVerdicts implements VerdictBoard {
  readonly #state: GossipState;
  readonly #self: string;
  readonly #incarnations = new Map<string, number>();
  readonly #byAccuser = new Map<string, readonly Said[]>();
  readonly #byAccused = new Map<string, Map<string, Said>>();
  readonly #listeners: ((nodes: Iterable<string>) => void)[] = [];
  #published: readonly Verdict[] = [];

  constructor(state: GossipState, self: string) {
    this.#state = state;
    this.#self = self;
  }

  publish(verdicts: readonly Verdict[]): void {
    this.#published = verdicts;
    // Those that change where others send their requests come first, should not all fit.
    const words = [...verdicts]
      .sort((a, b) => (a.state === b.state ? 0 : a.state === 'failed' ? -1 : 1))
      .slice(0, verdictsMax)
      .map(({ node, state, incarnation }) => {
        const { generation } = this.#state.digestOf(node);
        return `${node},${generation.toString(36)},${incarnation},${state === 'failed' ? 'f' : 's'}`;
      });
    while (utf8Bytes(words.join(' ')) > valueBytesMax) words.pop();
    this.#state.set(verdictsKey, words.join(' '));
  }

  /**
   * Says again what this node has published. Call it now and then: a node that began anew, and is still silent for this one
   * some time later, is accused in its new life.
   */
  refresh(): void {
    this.publish(this.#published);
  }

  announce(incarnation: number): void {
    this.#state.set(incarnationKey, String(incarnation));
  }

  incarnationOf(node: string): number {
    if (node === this.#self) return wholeNumber(this.#state.get(node, incarnationKey));
    return this.#incarnations.get(node) ?? 0;
  }

  verdictsOn(node: string): Iterable<HeardVerdict> {
    const said = this.#byAccused.get(node);
    if (said === undefined) return [];
    const { generation } = this.#state.digestOf(node);
    return [...said.values()].filter(
      (verdict) => verdict.generation === 0 || verdict.generation >= generation,
    );
  }

  onNews(listener: (nodes: Iterable<string>) => void): void {
    this.#listeners.push(listener);
  }

  /** The entries of others have changed. */
  noticed(news: readonly MemberNews[]): void {
    const touched = new Set<string>();
    for (const { node, restarted, entries } of news) {
      // All verdicts about its earlier life are void, and so is what it had announced.
      if (restarted && (this.#incarnations.delete(node) || this.#byAccused.has(node))) touched.add(node);
      let announces = false;
      let accuses = restarted && this.#byAccuser.has(node);
      for (const { key } of entries) {
        if (key === incarnationKey) announces = true;
        else if (key === verdictsKey) accuses = true;
      }
      if (announces) {
        this.#incarnations.set(node, wholeNumber(this.#state.get(node, incarnationKey)));
        touched.add(node);
      }
      if (accuses) {
        for (const { node: accused } of this.#byAccuser.get(node) ?? []) {
          const about = this.#byAccused.get(accused);
          about?.delete(node);
          // Names come from others: those that nobody says any more are not remembered.
          if (about?.size === 0) this.#byAccused.delete(accused);
          touched.add(accused);
        }
        const verdicts = this.#read(node);
        if (verdicts.length > 0) this.#byAccuser.set(node, verdicts);
        else this.#byAccuser.delete(node);
        for (const verdict of verdicts) {
          const about = this.#byAccused.get(verdict.node) ?? new Map<string, Said>();
          this.#byAccused.set(verdict.node, about.set(node, verdict));
          touched.add(verdict.node);
        }
      }
    }
    if (touched.size > 0) for (const listener of this.#listeners) listener(touched);
  }

  /** What a member says now. Words that make no sense, of a later release perhaps, are passed over. */
  #read(by: string): readonly Said[] {
    const text = this.#state.get(by, verdictsKey) ?? '';
    if (text === '') return [];
    return text
      .split(' ', verdictsMax)
      .map((word) => /^([a-z0-9-]{1,63}),([0-9a-z]{1,11}),([0-9]{1,15}),([fs])$/.exec(word))
      .filter((match) => match !== null)
      .map(
        ([, node = '', generation = '', incarnation, state]): Said => ({
          node,
          by,
          generation: Number.parseInt(generation, 36),
          incarnation: wholeNumber(incarnation),
          state: state === 'f' ? 'failed' : 'suspect',
        }),
      );
  }
}

function wholeNumber(text: string | undefined): number {
  return text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : 0;
}
