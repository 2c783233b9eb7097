/** The cases as they stand in cases/*.json, checked: a misspelt field is an error of the file, and not a case that passes. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Direction } from './fault-proxy.ts';
import type { ScriptedReply } from './scripted-node.ts';
import type { Json, JsonObject } from './template.ts';

export type NodeName = 'n1' | 'n2' | 'n3';
export type Expected = { readonly ok: Json } | { readonly error: Json };

interface Judged {
  /** What the answer must be. Without: any success. */
  readonly expect?: Expected | undefined;
  /** Variables that take parts of the answer, by path: `{"context": "ok.context"}`. */
  readonly save?: Readonly<Record<string, string>> | undefined;
}

/** What the testee is asked. All other fields are arguments of the operation. */
export interface OperationStep extends Judged {
  readonly op: string;
  /** Ask again until the answer is as expected: for what takes its time. */
  readonly until?: true | undefined;
  /** Go on without the answer, which a later `await` of this name looks at. */
  readonly as?: string | undefined;
}

/** Waits for the answer to an earlier operation. */
export interface AwaitStep extends Judged {
  readonly await: string;
}

/** Has the client cancel an earlier operation. */
export interface CancelStep {
  readonly cancel: string;
}

/** `kill`: SIGKILL. `drain`: SIGTERM, without waiting for its end. `pause` and `resume`: SIGSTOP and SIGCONT. */
export interface NodeStep {
  readonly node: NodeName;
  readonly do: 'kill' | 'start' | 'pause' | 'resume' | 'drain';
}

/** What a proxy does to connections from now on: fault-proxy.ts. */
export interface ProxyStep {
  readonly proxy: NodeName | 'all';
  readonly do: 'reset' | 'refuse' | 'stall' | 'delay' | 'heal';
  /** Of `stall` and `delay`. Without: answers. */
  readonly direction?: Direction | undefined;
  /** Of `delay`. */
  readonly ms?: number | undefined;
}

/** What the scripted node answers from now on, in order; then it succeeds. */
export interface ScriptStep {
  readonly script: readonly ScriptedReply[];
}

/** What the scripted node must have received since its script. */
export interface ReceivedStep {
  readonly received: Json;
}

/** Asks a node where keys live: saves `ok.homes` (the ids of the nodes, for each key) and `ok.tokens`. */
export interface LocateStep {
  readonly locate: readonly Json[];
  readonly save: Readonly<Record<string, string>>;
}

export type Step =
  | OperationStep
  | AwaitStep
  | CancelStep
  | NodeStep
  | ProxyStep
  | ScriptStep
  | ReceivedStep
  | LocateStep;

interface CaseOfFile {
  readonly name: string;
  /** Why the case is there, where its name does not say it. */
  readonly because?: string | undefined;
  /** Nodes that are dead when it begins, and that the others know to be. */
  readonly down?: readonly NodeName[] | undefined;
  readonly steps: readonly Step[];
}

export interface Case extends CaseOfFile {
  readonly group: string;
}

interface GroupOfFile {
  readonly group: string;
  readonly about: string;
  readonly cases: readonly CaseOfFile[];
}

export interface Group extends GroupOfFile {
  readonly cases: readonly Case[];
}

const operations: readonly string[] = [
  'connect',
  'close',
  'get',
  'put',
  'delete',
  'touch',
  'batchGet',
  'batchWrite',
  'writeOutcome',
  'update',
  'session',
  'pipeline',
  'pipelined',
  'closePipeline',
  'placement',
];

const nodeName: z.ZodType<NodeName> = z.enum(['n1', 'n2', 'n3']);
const json: z.ZodType<Json> = z.json();
const judged = {
  expect: z.union([z.strictObject({ ok: json }), z.strictObject({ error: json })]).optional(),
  save: z.record(z.string(), z.string()).optional(),
};

const reply: z.ZodType<ScriptedReply> = z.union([
  z.strictObject({ succeed: z.literal(true) }),
  z.strictObject({
    fail: z.strictObject({
      code: z.string(),
      detail: z
        .strictObject({
          reason: z.string(),
          outcome: z.enum(['NOT_APPLIED', 'UNKNOWN']).optional(),
          safeToRetry: z.boolean().optional(),
          retryAfterMs: z.number().int().positive().optional(),
        })
        .optional(),
    }),
  }),
]);

const step: z.ZodType<Step> = z.union([
  z.looseObject({
    op: z.enum(operations),
    ...judged,
    until: z.literal(true).optional(),
    as: z.string().optional(),
  }),
  z.strictObject({ await: z.string(), ...judged }),
  z.strictObject({ cancel: z.string() }),
  z.strictObject({ node: nodeName, do: z.enum(['kill', 'start', 'pause', 'resume', 'drain']) }),
  z.strictObject({
    proxy: z.union([nodeName, z.literal('all')]),
    do: z.enum(['reset', 'refuse', 'stall', 'delay', 'heal']),
    direction: z.enum(['requests', 'answers']).optional(),
    ms: z.number().int().positive().optional(),
  }),
  z.strictObject({ script: z.array(reply) }),
  z.strictObject({ received: json }),
  z.strictObject({ locate: z.array(json), save: z.record(z.string(), z.string()) }),
]);

const groupShape: z.ZodType<GroupOfFile> = z.strictObject({
  group: z.string(),
  about: z.string(),
  cases: z
    .array(
      z.strictObject({
        name: z.string(),
        because: z.string().optional(),
        down: z.array(nodeName).optional(),
        steps: z.array(step).min(1),
      }),
    )
    .min(1),
});

/** The arguments of an operation: all that is not for the runner. */
export function argumentsOf({
  expect: _,
  save: __,
  until: ___,
  as: ____,
  ...rest
}: OperationStep): JsonObject {
  return rest as unknown as JsonObject;
}

/** The order of the table: what is asked of healthy nodes first. */
const order: readonly string[] = [
  'basics',
  'siblings',
  'expiry',
  'blind modes',
  'limits',
  'errors',
  'retries',
  'request ids',
  'update',
  'batches',
  'pipelining',
  'cancellation',
  'direct routing',
  'levels',
  'sessions',
  'failing nodes',
];

/** All groups. Throws with the file and the place where one is not as it should be. */
export function loadGroups(folder: string = join(import.meta.dirname, 'cases')): readonly Group[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  const groups = names.map((name) => readGroup(join(folder, name)));
  const place = ({ group }: Group): number => order.indexOf(group);
  const unknown = groups.find((group) => place(group) < 0);
  if (unknown !== undefined)
    throw new Error(`the group "${unknown.group}" has no place in the order of case-file.ts`);
  return groups.sort((a, b) => place(a) - place(b));
}

function readGroup(path: string): Group {
  const parsed = groupShape.safeParse(JSON.parse(readFileSync(path, 'utf8')));
  if (!parsed.success) throw new Error(`${path}: ${z.prettifyError(parsed.error)}`);
  const { group, about, cases } = parsed.data;
  const names = cases.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new Error(`${path}: two cases are called "${twice}"`);
  return { group, about, cases: cases.map((each) => ({ ...each, group })) };
}

/** How a case is named on the command line and among the known failures. */
export function titleOf({ group, name }: Pick<Case, 'group' | 'name'>): string {
  return `${group}: ${name}`;
}
