/**
 * Encodes messages with one writer for all of them. A protobuf writer begins with 128 bytes and doubles: each message of
 * 10 KiB would leave a zeroed array of 16 KiB to the collector, next to its own bytes.
 */

import { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { MessageType } from './service.ts';

/** After a larger message the writer is not kept, because its buffer never shrinks. */
const keptBytesMax = 256 * 1024;

let kept: BinaryWriter | undefined;

/** What every generated type can do, and `MessageType` does not ask for: services of packages bring types of their own. */
interface WritingType<T> {
  encode(message: T, writer: BinaryWriter): { finish(): Uint8Array };
}

/** The message's bytes, in an array of their own. */
export function encodeMessage<T>(type: MessageType<T>, message: T): Uint8Array {
  const writer = takeWriter();
  const written = (type as WritingType<T>).encode(message, writer);
  if (written === writer) return finish(writer);
  kept = writer;
  return written.finish();
}

/** A writer for one message, given back by `finish`. One that fails half-way is not given back: what it holds would stay in it. */
export function takeWriter(): BinaryWriter {
  const writer = kept ?? new BinaryWriter();
  kept = undefined;
  return writer;
}

/** The bytes of a writer from `takeWriter`, which nobody may write to any more. */
export function finish(writer: BinaryWriter): Uint8Array {
  const bytes = writer.finish();
  if (bytes.length <= keptBytesMax) kept = writer;
  return bytes;
}
