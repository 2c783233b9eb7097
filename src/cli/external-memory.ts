/**
 * How V8 accounts for buffers. Their bytes live outside of its heap, and every 64 MB of them begin a full collection, even
 * where the next small one would free nearly all: under writes of 10 KiB that came ten times a second. Counted together with
 * the heap they wait for its limit, and small collections keep them far below it.
 */

import { setFlagsFromString } from 'node:v8';

/** The Node whose V8 is known to have the flag. An unknown one is a line on stderr at every start. */
const nodeMajor = '24';

/** From now on buffers and heap have one limit. For processes that serve requests; nothing changes but their speed. */
export function countBuffersWithHeap(nodeVersion: string = process.versions.node): void {
  if (nodeVersion.split('.')[0] === nodeMajor) {
    setFlagsFromString('--external-memory-accounted-in-global-limit');
  }
}
