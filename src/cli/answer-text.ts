/** How versions, dots, clocks and reports look: to people, and as the stable JSON of `--json`. */

import Table from 'cli-table3';
import { dotText } from '../core/causality/dot.ts';
import { replicaId } from '../core/identity.ts';
import type { Timestamp } from '../gen/google/protobuf/timestamp.ts';
import { type GetResponse, GetResponse_State } from '../gen/kindred/v1/kv.ts';
import { type NodeState, nodeStateToJSON } from '../gen/kindred/v1/topology.ts';
import {
  consistencyLevelToJSON,
  type Dot,
  type Key,
  type ReadReport,
  type Version,
  type WriteReport,
} from '../gen/kindred/v1/types.ts';
import { bytesText, previewBytes, toBase64Url, toJsonBytes } from './bytes-text.ts';

/** Hex digits of a replica id, shortened as far as all ids at hand stay apart. */
export class ReplicaNames {
  private readonly length: number;

  constructor(dots: Iterable<Dot>) {
    const ids = new Set([...dots].map((dot) => hexOf(dot.replica)));
    let length = 6;
    while (length < 14 && new Set([...ids].map((id) => id.slice(-length))).size < ids.size) length++;
    this.length = length;
  }

  /** `f3a91c:1:4`: replica (its last digits), epoch, counter. */
  dot(dot: Dot | undefined): string {
    return dot === undefined ? '-' : `${hexOf(dot.replica).slice(-this.length)}:${dot.epoch}:${dot.counter}`;
  }

  /** `{f3a91c:1:4, 02b7de:2:1}`. */
  clock(version: Version): string {
    return `{${(version.clock?.entries ?? []).map((entry) => this.dot(entry)).join(', ')}}`;
  }
}

/** All dots in these versions, for {@link ReplicaNames}. */
export function dotsOf(versions: readonly Version[]): Dot[] {
  return versions.flatMap((version) => [
    ...(version.dot === undefined ? [] : [version.dot]),
    ...(version.clock?.entries ?? []),
  ]);
}

function hexOf(replica: number): string {
  return replica.toString(16).padStart(14, '0');
}

/** `2026-01-31T12:00:00.123456Z`: microseconds, as far as the store keeps them. */
export function timestampText(timestamp: Timestamp): string {
  const seconds = new Date(timestamp.seconds * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(Math.floor(timestamp.nanos / 1000)).padStart(6, '0')}Z`;
}

/** The data of a version; nothing for a deletion. */
export function dataOf(version: Version): Uint8Array | undefined {
  return version.body?.$case === 'value' ? version.body.value.data : undefined;
}

/** `"red"`, or `(deleted)`. */
export function bodyPreview(version: Version, length?: number): string {
  const data = dataOf(version);
  return data === undefined ? '(deleted)' : previewBytes(data, length);
}

/** A dot in JSON answers. */
export function dotJson(dot: Dot | undefined): object | null {
  if (dot === undefined) return null;
  const { replica, epoch, counter } = dot;
  return { replica, epoch, counter, text: dotText({ replica: replicaId(replica), epoch, counter }) };
}

/** A version in JSON answers. */
export function versionJson(version: Version): object {
  const value = version.body?.$case === 'value' ? version.body.value : undefined;
  return {
    value: value === undefined ? null : toJsonBytes(value.data),
    deleted: version.body?.$case === 'deleted',
    contentType: value?.contentType ?? '',
    metadata: value?.metadata ?? {},
    dot: dotJson(version.dot),
    clock: (version.clock?.entries ?? []).map(dotJson),
    writtenAt: version.writtenAt === undefined ? null : timestampText(version.writtenAt),
    expiresAt: version.expireTime === undefined ? null : timestampText(version.expireTime),
  };
}

/** A key in JSON answers. */
export function keyJson(key: Key): object {
  return { bucket: key.bucket, ...toJsonBytes(key.key) };
}

/** `found`, `conflict` or `absent`. */
export function stateText(state: GetResponse_State): 'found' | 'conflict' | 'absent' | 'unknown' {
  switch (state) {
    case GetResponse_State.STATE_FOUND:
      return 'found';
    case GetResponse_State.STATE_CONFLICT:
      return 'conflict';
    case GetResponse_State.STATE_ABSENT:
      return 'absent';
    default:
      return 'unknown';
  }
}

/** The answer of `get --json`. */
export function getJson(key: Key, answer: GetResponse): object {
  return {
    key: keyJson(key),
    state: stateText(answer.state),
    versions: answer.versions.map(versionJson),
    context: toBase64Url(answer.context),
    report: answer.report === undefined ? null : readReportJson(answer.report),
  };
}

function readReportJson(report: ReadReport): object {
  return {
    level: levelText(report.achieved),
    replicasAsked: report.replicasAsked,
    replicasAnswered: report.replicasAnswered,
    replicasAgreed: report.replicasAgreed,
    repairStarted: report.repairStarted,
    coordinator: report.coordinator,
    layoutVersion: report.topologyEpoch,
  };
}

/** The report of a write in JSON answers. */
export function writeReportJson(report: WriteReport | undefined): object | null {
  if (report === undefined) return null;
  return {
    level: levelText(report.achieved),
    acked: report.acked,
    hinted: report.hinted,
    synced: report.synced,
    replayed: report.replayed,
    coordinator: report.coordinator,
    layoutVersion: report.topologyEpoch,
  };
}

/** `at QUORUM: 2 of 3 replicas answered, 2 agreed, coordinated by n1`. */
export function readReportText(report: ReadReport): string {
  const level = levelText(report.achieved);
  const repair = report.repairStarted ? ', the others are repaired' : '';
  return `${level === '' ? '' : `at ${level}: `}${report.replicasAnswered} of ${report.replicasAsked} replicas asked answered, ${report.replicasAgreed} agreed${repair}; coordinated by ${report.coordinator}`;
}

/** `at QUORUM: 2 replicas acknowledged, 2 of them on disk, coordinated by n1`. */
export function writeReportText(report: WriteReport): string {
  const level = levelText(report.achieved);
  const parts = [`${report.acked} replicas acknowledged, ${report.synced} of them on disk`];
  if (report.hinted > 0) parts.push(`${report.hinted} hints stored`);
  if (report.replayed) parts.push('this request id was applied before: nothing new was written');
  return `${level === '' ? '' : `at ${level}: `}${parts.join(', ')}; coordinated by ${report.coordinator}`;
}

function levelText(level: ReadReport['achieved']): string {
  return level === 0 ? '' : consistencyLevelToJSON(level).replace(/^CONSISTENCY_LEVEL_/, '');
}

/** `up`, `suspect`, `failed`. */
export function nodeStateText(state: NodeState): string {
  return nodeStateToJSON(state)
    .replace(/^NODE_STATE_/, '')
    .toLowerCase();
}

/** Rows under a head, without borders, columns as wide as they must be. Colour is left to the caller. */
export function plainTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const none = '';
  const table = new Table({
    head: [...head],
    chars: {
      top: none,
      'top-mid': none,
      'top-left': none,
      'top-right': none,
      bottom: none,
      'bottom-mid': none,
      'bottom-left': none,
      'bottom-right': none,
      left: none,
      'left-mid': none,
      mid: none,
      'mid-mid': none,
      right: none,
      'right-mid': none,
      middle: '  ',
    },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  table.push(...rows.map((row) => [...row]));
  return `${table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')}\n`;
}

/** Narrowest column in which a sibling can still be read. */
const SIBLING_COLUMNS_MIN = 26;

/**
 * Versions side by side, with dots, clocks and times; one below the other where `columns` is too narrow for that.
 * Values are quoted, so that nothing in them can reach the terminal as a command.
 */
export function siblingTable(versions: readonly Version[], columns: number): string {
  const names = new ReplicaNames(dotsOf(versions));
  const labels = ['value', 'size', 'dot', 'clock', 'written', 'expires'];
  const fields = (version: Version, width: number): string[] => [
    bodyPreview(version, Math.max(width * 8, 200)),
    dataOf(version) === undefined ? '-' : bytesText(dataOf(version)?.length ?? 0),
    names.dot(version.dot),
    names.clock(version),
    version.writtenAt === undefined ? '-' : timestampText(version.writtenAt),
    version.expireTime === undefined ? 'never' : timestampText(version.expireTime),
  ];
  const labelColumns = 9;
  const borders = versions.length + 2;
  const each = Math.floor((columns - labelColumns - borders) / versions.length);
  const style = { head: [], border: [] };
  const sideBySide = each >= SIBLING_COLUMNS_MIN;
  const width = sideBySide ? Math.min(each, 60) : Math.max(columns - labelColumns - 3, SIBLING_COLUMNS_MIN);
  const group = (from: number, members: readonly Version[]): string => {
    const table = new Table({
      head: ['', ...members.map((_, index) => `[${from + index + 1}]`)],
      colWidths: [labelColumns, ...members.map(() => width)],
      wordWrap: true,
      wrapOnWordBoundary: false,
      style,
    });
    const all = members.map((member) => fields(member, width));
    for (const [row, label] of labels.entries()) table.push([label, ...all.map((one) => one[row] ?? '')]);
    return table.toString();
  };
  if (sideBySide) return `${group(0, versions)}\n`;
  return `${versions.map((version, index) => group(index, [version])).join('\n')}\n`;
}
