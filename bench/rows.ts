/** The rows of the table: which operation, on what, how, and with which row of etcd it is compared. */

import { ConsistencyLevel } from '../src/gen/kindred/v1/types.ts';
import { noOpPath } from './no-op.ts';
import {
  etcdGet,
  etcdPut,
  healthCheck,
  kindredGet,
  kindredPut,
  randomValue,
  type UnaryRequest,
} from './requests.ts';

export type System = 'kindred' | 'etcd' | 'bare';

interface RowBase {
  readonly system: System;
  /** Unique within its system. */
  readonly name: string;
  /** The row of etcd that promises the same. */
  readonly comparedWith?: string;
}

/** One call for each operation. */
export interface UnaryRow extends RowBase {
  readonly kind: 'unary';
  /** `one`: all connections go to the first node. */
  readonly through: 'all' | 'one';
  /** The request of a lane. Keys of lanes differ: concurrent writes of one key would wait for each other. */
  readonly request: (lane: number) => UnaryRequest;
  /** Sent once before, so that there is something to read. */
  readonly prepare?: (lane: number) => UnaryRequest;
}

/** A stream of operations to each node. */
export interface PipelineRow extends RowBase {
  readonly kind: 'pipelined';
  readonly operation: 'put' | 'get';
  readonly level: ConsistencyLevel;
  readonly valueBytes: number;
  readonly keys: number;
  /** Operations in flight on each stream. */
  readonly inFlight: number;
}

export type Row = UnaryRow | PipelineRow;

interface Size {
  readonly name: string;
  readonly bytes: number;
  readonly pipelineKeys: number;
  readonly pipelineInFlight: number;
}

const sizes: readonly Size[] = [
  { name: '100 B', bytes: 100, pipelineKeys: 10_000, pipelineInFlight: 256 },
  { name: '10 KiB', bytes: 10 * 1024, pipelineKeys: 1_000, pipelineInFlight: 32 },
];

const levels = [
  { name: 'ONE', level: ConsistencyLevel.CONSISTENCY_LEVEL_ONE, etcdGet: 'get serializable' },
  { name: 'QUORUM', level: ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM, etcdGet: 'get linearizable' },
  { name: 'ALL', level: ConsistencyLevel.CONSISTENCY_LEVEL_ALL, etcdGet: 'get linearizable' },
] as const;
const quorum = ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM;

/** The row that the cost of all others is measured in. */
export const floorName = 'no-op';
/** The row of which the cost is asked first. */
export const quorumPutName = 'put QUORUM 100 B';
export const floorThroughOneName = 'no-op, one node';
export const quorumPutThroughOneName = 'put QUORUM 100 B, one node';

/** All rows, in the order in which they run and are printed. */
export function allRows(): Row[] {
  return [
    { kind: 'unary', system: 'bare', name: 'no-op, bare grpc-js', through: 'one', request: () => bareNoOp },
    { kind: 'unary', system: 'kindred', name: floorThroughOneName, through: 'one', request: healthCheck },
    {
      kind: 'unary',
      system: 'kindred',
      name: quorumPutThroughOneName,
      through: 'one',
      request: (lane) => kindredPut(laneKey(lane), randomValue(100), quorum),
    },
    ...both((system) => ({
      kind: 'unary',
      system,
      name: floorName,
      ...(system === 'kindred' ? { comparedWith: floorName } : {}),
      through: 'all',
      request: healthCheck,
    })),
    ...sizes.flatMap((size) => [...puts(size), ...gets(size), ...pipelined(size)]),
  ];
}

const bareNoOp: UnaryRequest = { path: noOpPath, message: new Uint8Array() };

function laneKey(lane: number): string {
  return `lane-${String(lane).padStart(3, '0')}`;
}

function both(row: (system: 'kindred' | 'etcd') => Row): Row[] {
  return [row('kindred'), row('etcd')];
}

function puts({ name, bytes }: Size): Row[] {
  return [
    ...levels.map(
      (each): Row => ({
        kind: 'unary',
        system: 'kindred',
        name: `put ${each.name} ${name}`,
        comparedWith: `put ${name}`,
        through: 'all',
        request: (lane) => kindredPut(laneKey(lane), randomValue(bytes), each.level),
      }),
    ),
    {
      kind: 'unary',
      system: 'etcd',
      name: `put ${name}`,
      through: 'all',
      request: (lane) => etcdPut(laneKey(lane), randomValue(bytes)),
    },
  ];
}

function gets({ name, bytes }: Size): Row[] {
  // Keys of their own for each size, so that a get reads what its name says whichever put ran before it.
  const keyOf = (lane: number): string => `${laneKey(lane)}-${bytes}`;
  return [
    ...levels.map(
      (each): Row => ({
        kind: 'unary',
        system: 'kindred',
        name: `get ${each.name} ${name}`,
        comparedWith: `${each.etcdGet} ${name}`,
        through: 'all',
        request: (lane) => kindredGet(keyOf(lane), each.level),
        prepare: (lane) => kindredPut(keyOf(lane), randomValue(bytes), levels[2].level),
      }),
    ),
    ...[false, true].map(
      (serializable): Row => ({
        kind: 'unary',
        system: 'etcd',
        name: `get ${serializable ? 'serializable' : 'linearizable'} ${name}`,
        through: 'all',
        request: (lane) => etcdGet(keyOf(lane), { serializable }),
        prepare: (lane) => etcdPut(keyOf(lane), randomValue(bytes)),
      }),
    ),
  ];
}

function pipelined({ name, bytes, pipelineKeys, pipelineInFlight }: Size): Row[] {
  const kinds = [
    ['put', levels[1]],
    ['get', levels[1]],
    ['get', levels[0]],
  ] as const;
  return kinds.map(([operation, { name: levelName, level }]) => ({
    kind: 'pipelined',
    system: 'kindred',
    name: `pipelined ${operation} ${levelName} ${name}`,
    operation,
    level,
    valueBytes: bytes,
    keys: pipelineKeys,
    inFlight: pipelineInFlight,
  }));
}
