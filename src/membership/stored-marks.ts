/**
 * The newest mark that each peer has said its store holds on stable storage: how far what it ever took is sure to be there.
 * Heard with every heartbeat, in whatever direction.
 */

import type { Hello } from '../gen/kindred/peer/v1/peer.ts';

interface Heard {
  readonly replicaId: number;
  readonly generation: number;
  mark: number;
}

/** Remembers marks by node: at most as many as there are members. */
export class StoredMarks {
  readonly #heard = new Map<string, Heard>();

  /** A greeted process of the node said that its store holds this mark. 0: it does not say. */
  heard(
    { nodeId, replicaId, generation }: Pick<Hello, 'nodeId' | 'replicaId' | 'generation'>,
    mark: number,
  ): void {
    const heard = this.#heard.get(nodeId);
    if (heard?.replicaId === replicaId) {
      if (mark > heard.mark) heard.mark = mark;
      // A frame of a process that is gone may come late: the store that followed it counts.
    } else if (heard === undefined || generation >= heard.generation) {
      this.#heard.set(nodeId, { replicaId, generation, mark });
    }
  }

  /** The newest mark of the node's store as it is now; 0: not known. */
  of(node: string): number {
    return this.#heard.get(node)?.mark ?? 0;
  }
}
