/** A request that is encoded once, and of which only key and value differ from call to call: copied and patched. */

import { randomBytes } from 'node:crypto';
import type { UnaryRequest } from './requests.ts';

/** All keys of a load are so long: `key-` and digits. */
const keyPrefix = 'key-';
const keyDigits = 14;
/** Keys of values of one size. Sizes have keys of their own, so that a read finds what its row says. */
const keysPerSize = 100_000_000;
/** Stands for the key while the request is encoded. */
export const keyPlaceholder: string = keyPrefix + '0'.repeat(keyDigits);
const placeholderBytes = Buffer.from(keyPlaceholder);
/** Values are cut from it, so that no two are alike and none costs chance. They do not compress. */
const poolBytes = 4 * 1024 * 1024;
const pool = randomBytes(poolBytes);

export class RequestTemplate {
  readonly path: string;
  readonly #message: Buffer;
  readonly #keyAt: number;
  readonly #valueAt: number;
  readonly #valueBytes: number;
  readonly #firstKey: number;

  /**
   * `request` has `keyPlaceholder` as its key, and `value`, if it is given, as its value; `valueBytes` is the size of the
   * values under its keys.
   */
  constructor(
    request: UnaryRequest,
    { valueBytes, value }: { readonly valueBytes: number; readonly value?: Uint8Array },
  ) {
    this.path = request.path;
    this.#firstKey = valueBytes * keysPerSize;
    this.#message = Buffer.from(request.message);
    this.#keyAt = this.#message.indexOf(placeholderBytes);
    this.#valueBytes = value?.length ?? 0;
    this.#valueAt = value === undefined ? -1 : this.#message.indexOf(value);
  }

  get bytes(): number {
    return this.#message.length;
  }

  /** Writes the message for key number `key`, with another value, into `target`. */
  write(target: Buffer, at: number, key: number): void {
    this.#message.copy(target, at);
    if (this.#keyAt >= 0) {
      let left = this.#firstKey + key;
      for (let digit = at + this.#keyAt + placeholderBytes.length - 1; left > 0; digit--) {
        target[digit] = 48 + (left % 10);
        left = Math.floor(left / 10);
      }
    }
    if (this.#valueBytes > 0) {
      const from = Math.floor(Math.random() * (poolBytes - this.#valueBytes));
      pool.copy(target, at + this.#valueAt, from, from + this.#valueBytes);
    }
  }
}
