/** A header block that came in more than one frame (RFC 9113, 4.3 and 6.10), until it is whole. */

import { ConnectionError, errorCodes } from './frame.ts';

/** One block as it is sent, in as many frames. A block without an end is an attack (CVE-2024-27316). */
const blockBytesMax = 64 * 1024;
const blockFramesMax = 64;

export class OpenBlock {
  readonly streamId: number;
  /** The flags of its HEADERS. */
  readonly flags: number;
  readonly dependsOnItself: boolean;
  readonly #parts: Buffer[] = [];
  #bytes = 0;

  constructor(streamId: number, flags: number, dependsOnItself: boolean) {
    this.streamId = streamId;
    this.flags = flags;
    this.dependsOnItself = dependsOnItself;
  }

  add(part: Buffer): void {
    this.#parts.push(part);
    this.#bytes += part.length;
    if (this.#bytes > blockBytesMax || this.#parts.length > blockFramesMax) {
      throw new ConnectionError(errorCodes.enhanceYourCalm, 'a header block is too long');
    }
  }

  whole(): Buffer {
    return Buffer.concat(this.#parts, this.#bytes);
  }
}
