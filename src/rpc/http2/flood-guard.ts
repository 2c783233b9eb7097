/** Bounds what a client makes a connection do without asking for anything: more of it ends the connection. */

import { TokenBucket } from '../../core/background/token-bucket.ts';
import { ConnectionError, errorCodes } from './frame.ts';

/**
 * A client that resets more streams than this at once, or in every second, attacks (CVE-2023-44487). Others give up calls too, at
 * their deadlines, or because another node was faster; and a call that is reset in the tick in which it came costs no work.
 */
const resetsPerSecond = 5_000;
/** Likewise for frames that ask for nothing: a client that measures its round trips sends a PING in each. */
const idleFramesPerSecond = 10_000;

export class FloodGuard {
  readonly #resets: TokenBucket;
  readonly #idleFrames: TokenBucket;

  constructor(nowMs: number) {
    this.#resets = new TokenBucket({ ratePerSecond: resetsPerSecond, burstSeconds: 1 }, nowMs);
    this.#idleFrames = new TokenBucket({ ratePerSecond: idleFramesPerSecond, burstSeconds: 1 }, nowMs);
  }

  /** Counts a stream that ended before it was answered, or was refused. Throws ConnectionError beyond the bound. */
  reset(nowMs: number): void {
    charge(this.#resets, nowMs, 'too many streams are reset');
  }

  /** Counts a frame that asks for nothing. Throws ConnectionError beyond the bound. */
  idleFrame(nowMs: number): void {
    charge(this.#idleFrames, nowMs, 'too many frames that ask for nothing');
  }
}

function charge(bucket: TokenBucket, nowMs: number, message: string): void {
  if (bucket.waitMs(nowMs) > 0) throw new ConnectionError(errorCodes.enhanceYourCalm, message);
  bucket.charge(1, nowMs);
}
