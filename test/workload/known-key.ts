/** What one client knows of one key, from the answers that it got. */

import type { KeyName } from '../simulation/plan/seed-plan.ts';
import type { HeldContext } from './history-recorder.ts';

const earlierMax = 4;
/** A client that has seen so many siblings resolves them before anything else. */
const siblingsTolerated = 6;
/** A client that has written so often without reading looks first how many there are. */
const unreadTolerated = 6;

export class KnownKey {
  readonly name: KeyName;
  readonly bytes: Uint8Array;
  /** Of the last answer. `undefined`: there was none yet. */
  latest: HeldContext | undefined;
  /** Of answers before that one, the oldest first: for writers that are behind. */
  readonly earlier: HeldContext[] = [];
  #siblings = 0;
  #unread = 0;

  constructor(name: KeyName) {
    this.name = name;
    this.bytes = Buffer.from(name.key, 'utf8');
  }

  /** True when the versions of the key should be made one. */
  get needsResolving(): boolean {
    return this.#siblings > siblingsTolerated || this.#unread > unreadTolerated;
  }

  /** How many versions the last read found. */
  get siblings(): number {
    return this.#siblings;
  }

  learnRead(context: HeldContext, siblings: number): void {
    this.#learn(context);
    this.#siblings = siblings;
    this.#unread = 0;
  }

  learnWrite(context: HeldContext): void {
    this.#learn(context);
  }

  /** A write that may stand beside what is there was sent. */
  mayHaveAdded(): void {
    this.#unread++;
  }

  #learn(context: HeldContext): void {
    if (this.latest !== undefined) {
      if (this.earlier.length === earlierMax) this.earlier.shift();
      this.earlier.push(this.latest);
    }
    this.latest = context;
  }
}
