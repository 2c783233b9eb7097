/**
 * The newest mark that each peer has said its store holds on stable storage: how far what it ever took is sure to be there.
 * Heard with every heartbeat, in whatever direction.
 */

import { type Process, startedBefore } from '../rpc/process-order.ts';

interface Heard {
  readonly process: Process;
  mark: number;
}

/** Remembers marks by node: at most as many as there are members. */
export class StoredMarks {
  readonly #heard = new Map<string, Heard>();

  /**
   * The process that answers at the node's address said that its store holds this mark. Whatever was heard of another store of the
   * node, it counts: what is still under way of a process that is gone is followed by the answers of the one that is there.
   */
  answered(process: Process & { readonly nodeId: string }, mark: number): void {
    const heard = this.#heard.get(process.nodeId);
    if (heard?.process.replicaId !== process.replicaId) this.#heard.set(process.nodeId, { process, mark });
    else if (mark > heard.mark) heard.mark = mark;
  }

  /** A greeted process of the node that calls said that its store holds this mark. 0: it does not say. */
  heard(process: Process & { readonly nodeId: string }, mark: number): void {
    const heard = this.#heard.get(process.nodeId);
    if (heard?.process.replicaId === process.replicaId) {
      if (mark > heard.mark) heard.mark = mark;
      // A frame of a process that is gone may come late: the store that followed it counts.
    } else if (heard === undefined || !startedBefore(process, heard.process)) {
      this.#heard.set(process.nodeId, { process, mark });
    }
  }

  /** The newest mark of the node's store as it is now; 0: not known. */
  of(node: string): number {
    return this.#heard.get(node)?.mark ?? 0;
  }
}
