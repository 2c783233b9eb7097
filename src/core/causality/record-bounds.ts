/** How large a client write may make a record. Merges, repairs and hand-offs are never refused. */

import { contextBytesMax, contextLength, contextOf } from './context-token.ts';
import type { VersionedRecord } from './record.ts';

/**
 * Why a write may not make this record of `bytes`, or `undefined`. One that does not grow what was there (`bytesBefore`, 0
 * for nothing) always passes, or nobody could resolve a record that merges have grown.
 */
export function exceedsBounds(
  record: VersionedRecord,
  bytes: number,
  bytesBefore: number,
  recordBytesMax: number,
): 'record-too-large' | 'context-too-large' | undefined {
  if (bytes <= bytesBefore) return undefined;
  if (bytes > recordBytesMax) return 'record-too-large';
  return contextLength(contextOf(record)) > contextBytesMax ? 'context-too-large' : undefined;
}
