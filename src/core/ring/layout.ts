/**
 * A layout: who takes part in a cluster, and into how many partitions and copies it is cut. Immutable; a change is a
 * new layout with a higher version. Placement is a pure function of it.
 */

import type { NodeId } from '../identity.ts';
import { isPartitionCount, partitionCountMax } from './token.ts';

/** A node's place in a layout. */
export interface LayoutMember {
  readonly id: NodeId;
  /** Whatever fails together: a rack, a host, a data centre's room. Copies of a key go to different zones first. */
  readonly zone: string;
  /** The node's share of the data against the others', from 0.1 to 10; 1 is ordinary. */
  readonly weight: number;
}

export interface Layout {
  /** Counts up from 1. Of two layouts of one cluster the higher version is the newer. */
  readonly version: number;
  /** Their order means nothing: the same members in another order give the same placement. */
  readonly members: readonly LayoutMember[];
  /** N: how many nodes hold a copy of each key, unless its bucket says otherwise. */
  readonly replication: number;
  /** Q: how many equal parts the ring is cut into. A power of two, fixed when the cluster is created. */
  readonly partitions: number;
}

/** One thing that is wrong with a layout. */
export interface LayoutProblem {
  /** Where: `members[2].weight`, `replication`. */
  readonly field: string;
  /** What, as a sentence with both sides of the conflict and their values. */
  readonly text: string;
}

export const memberCountMax = 1_024;
export const weightMin = 0.1;
export const weightMax = 10;
/** Bounds the zone's name, in characters. */
export const zoneLengthMax = 64;

const nodeIdPattern = /^[a-z0-9-]{1,63}$/;

/** All that is wrong with a layout, empty if nothing is. A layout with problems must not be given to `Placement`. */
export function layoutProblems(layout: Layout): readonly LayoutProblem[] {
  const problems: LayoutProblem[] = [];
  const report = (field: string, text: string): void => void problems.push({ field, text });

  if (!Number.isSafeInteger(layout.version) || layout.version < 1) {
    report('version', `version is ${layout.version}, but versions are whole numbers from 1.`);
  }
  if (!isPartitionCount(layout.partitions)) {
    report(
      'partitions',
      `partitions is ${layout.partitions}, but must be a power of two from 1 to ${partitionCountMax}.`,
    );
  }
  const count = layout.members.length;
  if (count < 1 || count > memberCountMax) {
    report('members', `members has ${count} entries, but must have 1 to ${memberCountMax}.`);
  }
  if (!Number.isInteger(layout.replication) || layout.replication < 1) {
    report('replication', `replication is ${layout.replication}, but must be a whole number from 1.`);
  } else if (layout.replication > count) {
    report(
      'replication',
      `replication is ${layout.replication}, but members has only ${count} ` +
        `${count === 1 ? 'entry' : 'entries'}: every copy of a key needs a node of its own.`,
    );
  }

  const firstWithId = new Map<string, number>();
  // One above the limit is enough to say so; a hostile list must not cost more than that.
  for (const [index, member] of layout.members.slice(0, memberCountMax).entries()) {
    const at = `members[${index}]`;
    if (!nodeIdPattern.test(member.id)) {
      report(`${at}.id`, `${at}.id is "${member.id}", but must be 1 to 63 of a-z, 0-9 and hyphen.`);
    }
    const earlier = firstWithId.get(member.id);
    if (earlier === undefined) firstWithId.set(member.id, index);
    else report(`${at}.id`, `${at}.id is "${member.id}", which is also members[${earlier}].id.`);
    if (member.zone.length < 1 || member.zone.length > zoneLengthMax) {
      report(
        `${at}.zone`,
        `${at}.zone has ${member.zone.length} characters, but must have 1 to ${zoneLengthMax}.`,
      );
    }
    // Written this way round so that NaN is refused too.
    if (!(member.weight >= weightMin && member.weight <= weightMax)) {
      report(
        `${at}.weight`,
        `${at}.weight is ${member.weight}, but must be from ${weightMin} to ${weightMax}.`,
      );
    }
  }
  return problems;
}
