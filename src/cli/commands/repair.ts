/** `kindred repair`: has every node compare what it holds with the other replicas, and repair what differs. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  type LongRunning,
  LongRunning_State,
  longRunning_StateToJSON,
} from '../../gen/kindred/v1/operation.ts';
import { plainTable, timestampText } from '../answer-text.ts';
import { bytesText } from '../bytes-text.ts';
import type { ClusterClient } from '../client.ts';
import {
  addNodeOption,
  askNodes,
  type ClusterNode,
  clusterNodes,
  type NodeAnswer,
} from '../cluster-nodes.ts';
import { CLIENT_EXIT } from '../exit-code.ts';
import { addConnectionOptions, type ConnectionFlags, openClient } from '../request-options.ts';
import { type CommandContext, runClientCommand } from '../run-command.ts';
import type { Terminal } from '../terminal.ts';

interface RepairFlags extends ConnectionFlags {
  readonly dryRun?: boolean;
  readonly watch?: boolean;
  readonly cancel?: boolean;
  readonly node?: string;
  readonly bytesPerSecond?: number;
}

/** How often nodes are asked how far they are. */
const lookMs = 300;

/** Adds the command to `program`. */
export function addRepairCommand(program: Command, context: CommandContext): void {
  const { terminal } = context;
  const command = addNodeOption(
    addConnectionOptions(
      program
        .command('repair')
        .description('compare the replicas on every node, and repair what differs')
        .argument('[bucket]', 'only this bucket (default: all)'),
    ),
  )
    .option('--dry-run', 'count what differs, and change nothing; waits for the end as --watch does')
    .option(
      '-w, --watch',
      'wait for the end and show how far it is; Ctrl-C cancels what this command started',
    )
    .addOption(new Option('--cancel', 'stop the repairs that run').conflicts(['dryRun', 'watch']))
    .addOption(
      new Option(
        '--bytes-per-second <count>',
        'go no faster than this (default: as the nodes are set)',
      ).argParser(parseRate),
    );
  command.action(async (bucket: string | undefined, flags: RepairFlags) => {
    await runClientCommand(
      context,
      flags,
      () => openClient(flags, terminal),
      async (client) => {
        const nodes = await clusterNodes(client, flags.node);
        if (flags.cancel === true) return { exit: await cancelAll(client, nodes, flags, terminal) };
        const started = await start(client, nodes, bucket ?? '', flags);
        // What a dry run counts is all that it is for.
        if (flags.watch !== true && flags.dryRun !== true)
          return { exit: tellStarted(started, flags, terminal) };
        const interrupt = interruptOf(process);
        try {
          return { exit: await watchRepair(client, started, flags, terminal, { interrupt, lookMs }) };
        } finally {
          interrupt.release();
        }
      },
    );
  });
}

/** A repair on one node. `attached`: it ran before. */
export interface NodeRepair {
  readonly node: ClusterNode;
  readonly operation: LongRunning | undefined;
  readonly attached: boolean;
  /** Why it could not be started or asked. */
  readonly error: string | undefined;
}

/** Whether somebody wants to stop waiting. */
export interface Interrupt {
  readonly requested: boolean;
  /** Resolves when it is, or never. */
  readonly whenRequested: Promise<void>;
}

/** Ctrl-C, the first time; the next one ends the process as usual. */
function interruptOf(process: NodeJS.Process): Interrupt & { release(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let requested = false;
  const onSignal = (): void => {
    requested = true;
    resolve();
    process.off('SIGINT', onSignal);
  };
  process.on('SIGINT', onSignal);
  return {
    get requested() {
      return requested;
    },
    whenRequested: promise,
    release: () => process.off('SIGINT', onSignal),
  };
}

async function start(
  client: ClusterClient,
  nodes: readonly ClusterNode[],
  bucket: string,
  flags: RepairFlags,
): Promise<readonly NodeRepair[]> {
  const request = {
    bucket,
    dryRun: flags.dryRun === true,
    bytesPerSecondMax: flags.bytesPerSecond ?? 0,
  };
  const answers = await askNodes(client, nodes, ({ operation }, options) =>
    operation.startRepair(request, options),
  );
  // The command is wrong, and not one of the nodes.
  const refused = answers.find((one) => one.kind === 'failure' && isOfTheCommand(one));
  if (refused?.kind === 'failure') throw refused.failure;
  const running = await Promise.all(
    answers.map(async (one): Promise<NodeRepair> => {
      const { node } = one;
      if (one.kind === 'answer') {
        return { node, operation: one.answer.operation, attached: false, error: undefined };
      }
      const error = one.failure.message;
      if (one.failure.code !== 'FAILED_PRECONDITION')
        return { node, operation: undefined, attached: false, error };
      const [listed] = await askNodes(client, [node], ({ operation }, options) =>
        operation.listOperations({ runningOnly: true }, options),
      );
      const already =
        listed?.kind === 'answer'
          ? listed.answer.operations.find(({ kind }) => kind === 'repair')
          : undefined;
      // What somebody waits for must be what was asked for: a dry run repairs nothing, and one bucket is not all.
      if (already === undefined || already.dryRun !== request.dryRun || already.bucket !== request.bucket) {
        return { node, operation: undefined, attached: false, error };
      }
      return { node, operation: already, attached: true, error: undefined };
    }),
  );
  return running;
}

function isOfTheCommand(answer: NodeAnswer<unknown>): boolean {
  return answer.kind === 'failure' && ['BUCKET_UNKNOWN', 'INVALID_REQUEST'].includes(answer.failure.reason);
}

function tellStarted(repairs: readonly NodeRepair[], flags: RepairFlags, terminal: Terminal): number {
  if (flags.json === true) terminal.out(`${JSON.stringify({ repairs: repairs.map(repairJson) })}\n`);
  else {
    for (const { node, operation, attached, error } of repairs) {
      if (operation === undefined) terminal.err(`${node.id}: not started: ${error}\n`);
      else terminal.out(`${node.id}: ${operation.id} ${attached ? 'is running already' : 'has begun'}\n`);
    }
    const bucket = repairs.find(({ operation }) => operation !== undefined)?.operation?.bucket;
    if (bucket !== undefined) {
      const command = ['kindred repair', ...(bucket === '' ? [] : [bucket])].join(' ');
      terminal.err(`"${command} --watch" shows how far it is, "kindred repair --cancel" stops it.\n`);
    }
  }
  return repairs.every(({ operation }) => operation !== undefined) ? CLIENT_EXIT.ok : CLIENT_EXIT.failed;
}

/** Shows how far the repairs are until all have ended. An interrupt cancels those that were started here. */
export async function watchRepair(
  client: ClusterClient,
  started: readonly NodeRepair[],
  flags: Pick<RepairFlags, 'json'>,
  terminal: Terminal,
  { interrupt, lookMs }: { readonly interrupt: Interrupt; readonly lookMs: number },
): Promise<number> {
  const showsProgress = terminal.errIsTerminal && flags.json !== true;
  let repairs = started;
  let cancelled = false;
  let shown = 0;
  while (repairs.some(isRunning)) {
    if (interrupt.requested && !cancelled) {
      cancelled = true;
      await cancel(
        client,
        repairs.filter((one) => isRunning(one) && !one.attached),
      );
      repairs = repairs.map((one) =>
        one.attached && isRunning(one) ? { ...one, error: 'left running' } : one,
      );
    }
    if (showsProgress) shown = progress(repairs, shown, terminal);
    await Promise.race([
      new Promise((resolve) => setTimeout(resolve, lookMs)),
      ...(cancelled ? [] : [interrupt.whenRequested]),
    ]);
    repairs = await Promise.all(repairs.map((one) => look(client, one)));
  }
  if (showsProgress) progress(repairs, shown, terminal, true);
  if (flags.json === true) terminal.out(`${JSON.stringify({ repairs: repairs.map(repairJson) })}\n`);
  else terminal.out(repairTable(repairs));
  return repairs.every(endedWell) ? CLIENT_EXIT.ok : CLIENT_EXIT.failed;
}

function isRunning({ operation, error }: NodeRepair): boolean {
  return error === undefined && operation?.state === LongRunning_State.STATE_RUNNING;
}

/** Done, and with everybody. */
function endedWell({ operation, error }: NodeRepair): boolean {
  if (error !== undefined || operation?.state !== LongRunning_State.STATE_DONE) return false;
  const { peers_skipped: skipped = 0, keys_left: left = 0 } = operation.counters;
  return skipped === 0 && left === 0;
}

async function look(client: ClusterClient, repair: NodeRepair): Promise<NodeRepair> {
  if (!isRunning(repair)) return repair;
  const id = repair.operation?.id ?? '';
  const [answer] = await askNodes(client, [repair.node], ({ operation }, options) =>
    operation.getOperation({ id }, options),
  );
  if (answer?.kind === 'answer') return { ...repair, operation: answer.answer.operation };
  return { ...repair, error: answer?.failure.message ?? 'no answer' };
}

async function cancel(client: ClusterClient, repairs: readonly NodeRepair[]): Promise<void> {
  await Promise.all(
    repairs.map(({ node, operation }) =>
      askNodes(client, [node], (services, options) =>
        services.operation.cancelOperation({ id: operation?.id ?? '' }, options),
      ),
    ),
  );
}

async function cancelAll(
  client: ClusterClient,
  nodes: readonly ClusterNode[],
  flags: RepairFlags,
  terminal: Terminal,
): Promise<number> {
  const answers = await askNodes(client, nodes, async ({ operation }, options) => {
    const { operations } = await operation.listOperations({ runningOnly: true }, options);
    const running = operations.filter(({ kind }) => kind === 'repair');
    const stopped = running.map(({ id }) => operation.cancelOperation({ id }, options));
    return (await Promise.all(stopped)).flatMap((answer) => answer.operation ?? []);
  });
  const repairs = answers.map(
    (one): NodeRepair => ({
      node: one.node,
      operation: one.kind === 'answer' ? one.answer[0] : undefined,
      attached: true,
      error: one.kind === 'failure' ? one.failure.message : undefined,
    }),
  );
  if (flags.json === true) terminal.out(`${JSON.stringify({ repairs: repairs.map(repairJson) })}\n`);
  else {
    for (const { node, operation, error } of repairs) {
      if (error !== undefined) terminal.err(`${node.id}: ${error}\n`);
      else
        terminal.out(`${node.id}: ${operation === undefined ? 'no repair runs' : `stops ${operation.id}`}\n`);
    }
  }
  return repairs.every(({ error }) => error === undefined) ? CLIENT_EXIT.ok : CLIENT_EXIT.failed;
}

/** One line for each node, in place. Returns how many lines there are now. */
function progress(repairs: readonly NodeRepair[], shown: number, terminal: Terminal, clear = false): number {
  const back = shown === 0 ? '' : `\u001b[${shown}A\u001b[0J`;
  const lines = clear ? [] : repairs.map(progressLine);
  terminal.err(back + lines.map((line) => `${line.slice(0, terminal.columns - 1)}\n`).join(''));
  return lines.length;
}

const barLength = 20;

function progressLine({ node, operation, error }: NodeRepair): string {
  if (operation === undefined || error !== undefined) return `${node.id}  ${error}`;
  const full = Math.round(operation.progress * barLength);
  const bar = '#'.repeat(full) + '.'.repeat(barLength - full);
  const percent = `${Math.floor(operation.progress * 100)} %`.padStart(5);
  return `${node.id}  ${bar} ${percent}  ${stateText(operation)}: ${operation.detail}`;
}

function stateText({ state }: LongRunning): string {
  return longRunning_StateToJSON(state)
    .replace(/^STATE_/, '')
    .toLowerCase();
}

/** `done`, or `done, without n3`: whom it was not compared with still may differ. */
function endText(operation: LongRunning): string {
  const state = stateText(operation);
  const skipped = operation.counters['peers_skipped'] ?? 0;
  if (state !== 'done' || skipped === 0) return state;
  // The sentence of the node ends with their names.
  const names = /not compared with (.+)$/.exec(operation.detail)?.[1];
  return `done, without ${names ?? `${skipped} ${skipped === 1 ? 'peer' : 'peers'}`}`;
}

/** `repair`, `dry run`, `dry run of carts`. */
function kindText({ dryRun, bucket }: LongRunning): string {
  return `${dryRun ? 'dry run' : 'repair'}${bucket === '' ? '' : ` of ${bucket}`}`;
}

function repairTable(repairs: readonly NodeRepair[]): string {
  const head = [
    'node',
    'what',
    'state',
    'partitions',
    'differing',
    'repaired',
    'left',
    'exchanged',
    'peers skipped',
  ];
  const rows = repairs.map(({ node, operation, error }) => {
    if (operation === undefined) return [node.id, '-', 'not started', '-', '-', '-', '-', '-', '-'];
    const { counters } = operation;
    const count = (name: string): string => String(counters[name] ?? 0);
    return [
      node.id,
      kindText(operation),
      error === undefined ? endText(operation) : 'not known',
      count('partitions_compared'),
      count('keys_differing'),
      count('keys_repaired'),
      count('keys_left'),
      bytesText(counters['bytes_exchanged'] ?? 0),
      count('peers_skipped'),
    ];
  });
  const notes = repairs.flatMap(({ node, operation, error }) => {
    const why = error ?? operation?.error?.message;
    if (why !== undefined) return [`${node.id}: ${why}\n`];
    return operation !== undefined && (operation.counters['peers_skipped'] ?? 0) > 0
      ? [`${node.id}: ${operation.detail}\n`]
      : [];
  });
  return plainTable(head, rows) + notes.join('');
}

/** One repair in JSON answers. */
function repairJson({ node, operation, attached, error }: NodeRepair) {
  return {
    node: node.id,
    id: operation?.id ?? null,
    state: operation === undefined ? null : stateText(operation),
    attached,
    dryRun: operation?.dryRun ?? null,
    bucket: operation?.bucket ?? null,
    progress: operation?.progress ?? null,
    startedAt: operation?.startedAt === undefined ? null : timestampText(operation.startedAt),
    finishedAt: operation?.finishedAt === undefined ? null : timestampText(operation.finishedAt),
    counters: operation?.counters ?? {},
    detail: operation?.detail ?? '',
    error: error ?? operation?.error?.message ?? null,
  };
}

function parseRate(text: string): number {
  const rate = Number(text);
  if (!Number.isSafeInteger(rate) || rate < 1) {
    throw new InvalidArgumentError('It must be a whole number of bytes, at least 1.');
  }
  return rate;
}
