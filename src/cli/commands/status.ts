/** `kindred status`: all nodes, as each of them sees the others, and what somebody should look at. */

import type { Command } from 'commander';
import picocolors from 'picocolors';
import { plainTable } from '../answer-text.ts';
import { bytesText } from '../bytes-text.ts';
import type { ClusterClient } from '../client.ts';
import { clusterStatus, type NodeReport, type PeerReport, type StatusReport } from '../cluster-status.ts';
import { formatDurationMs, parseDurationMs } from '../duration-text.ts';
import { CLIENT_EXIT } from '../exit-code.ts';
import { CallFailure, failureJson, failureText } from '../failure.ts';
import { addConnectionOptions, type ConnectionFlags, openClient } from '../request-options.ts';
import { type CommandContext, runClientCommand } from '../run-command.ts';
import { type Terminal, UsageError } from '../terminal.ts';

interface StatusFlags extends ConnectionFlags {
  /** `true`: without an interval. */
  readonly watch?: string | true;
}

const watchMsDefault = 2_000;
/** A table of who sees whom is as wide as the cluster is large; beyond this only what is not up is told. */
const matrixNodesMax = 12;

/** Adds the command to `program`. */
export function addStatusCommand(program: Command, context: CommandContext): void {
  const { terminal } = context;
  addConnectionOptions(
    program.command('status').description('show all nodes and how they are doing; exit 1 if one is not well'),
  )
    .option('-w, --watch [interval]', 'show it again and again, until Ctrl-C (default: every 2s)')
    .action(async (flags: StatusFlags) => {
      await runClientCommand(
        context,
        flags,
        () => openClient(flags, terminal),
        async (client) => {
          if (flags.watch === undefined) {
            return { exit: show(await askStatus(client, flags, terminal), flags, terminal) };
          }
          const intervalMs = flags.watch === true ? watchMsDefault : parseInterval(flags.watch);
          return { exit: await watchStatus(client, flags, terminal, { intervalMs }) };
        },
      );
    });
}

/**
 * Shows the status over and over: on a terminal in place, elsewhere one after the other. An endpoint that does not answer is
 * said, and asked again. Ends after `rounds`, which are without number unless a test says so; returns the last exit code.
 */
export async function watchStatus(
  client: ClusterClient,
  flags: ConnectionFlags,
  terminal: Terminal,
  options: { readonly intervalMs: number; readonly rounds?: number },
): Promise<number> {
  let exit: number = CLIENT_EXIT.ok;
  for (let round = 1; ; round++) {
    try {
      const report = await askStatus(client, flags, terminal);
      if (terminal.outIsTerminal && flags.json !== true) terminal.out(clearScreen);
      exit = show(report, flags, terminal);
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      if (flags.json === true) terminal.out(`${JSON.stringify(failureJson(error))}\n`);
      else terminal.err(failureText(error, undefined));
      exit = CLIENT_EXIT.failed;
    }
    if (round === options.rounds) return exit;
    await new Promise((resolve) => setTimeout(resolve, options.intervalMs));
  }
}

function parseInterval(text: string): number {
  if (/^[0.]+(ms|s|m|h|d)?$/.test(text)) {
    throw new UsageError(
      `--watch is "${text}", but must be longer than nothing: 500ms, 2s. Without a time it is every 2s`,
    );
  }
  return parseDurationMs(text, '--watch');
}

/** On a terminal says for whom it waits, until they answer or are given up. */
async function askStatus(
  client: ClusterClient,
  flags: ConnectionFlags,
  terminal: Terminal,
): Promise<StatusReport> {
  if (!terminal.errIsTerminal || flags.json === true) return await clusterStatus(client);
  return await clusterStatus(client, (waitingFor) => {
    const text = waitingFor.length === 0 ? '' : `waiting for ${waitingFor.join(', ')} ...`;
    terminal.err(`\r\u001b[K${text.slice(0, terminal.columns - 1)}`);
  });
}

const clearScreen = '\u001b[2J\u001b[H';

function show(report: StatusReport, flags: ConnectionFlags, terminal: Terminal): number {
  const colors = picocolors.createColors(terminal.outIsTerminal && !terminal.environment['NO_COLOR']);
  terminal.out(flags.json === true ? `${JSON.stringify(report)}\n` : statusText(report, colors));
  return report.healthy ? CLIENT_EXIT.ok : CLIENT_EXIT.failed;
}

type Colors = ReturnType<typeof picocolors.createColors>;

function statusText(report: StatusReport, colors: Colors): string {
  const { nodes } = report;
  const up = nodes.filter((node) => node.state === 'up').length;
  const rows = nodes.map((node) => [
    node.id,
    node.address,
    node.zone,
    colored(node.state, node.state, colors),
    `${(node.ownedFraction * 100).toFixed(1)} %`,
    node.version || '-',
    node.upSince === null ? '-' : formatDurationMs(Date.now() - Date.parse(node.upSince)),
    node.clockSkewMs === null || node.state === 'failed' ? '-' : formatDurationMs(node.clockSkewMs),
    hintsText(node),
    nodes.length < 2 ? '-' : comparedText(node),
  ]);
  const notes = [
    ...peerProblems(nodes),
    ...nodes.flatMap((node) => [
      ...(node.error === null ? [] : [`${node.id}: does not answer here: ${node.error}`]),
      ...otherAlarms(node).map((alarm) => `${node.id}: ${alarm}`),
    ]),
  ];
  return [
    `cluster ${report.clusterId}, layout ${report.layoutVersion}: ${up} of ${nodes.length} nodes up, as ${report.seenFrom} sees it\n`,
    plainTable(
      ['node', 'clients', 'zone', 'state', 'owns', 'version', 'up', 'clock', 'hints', 'compared'],
      rows,
    ),
    whoSeesWhom(nodes, colors),
    ...notes.map((note) => `${colors.red('!')} ${note}\n`),
  ].join('');
}

/** Hints that it keeps for others. */
function hintsText({ gauges }: NodeReport): string {
  const pending = gauges['hints_pending'];
  if (pending === undefined) return '-';
  return pending === 0 ? '0' : `${pending} (${bytesText(gauges['hint_bytes'] ?? 0)})`;
}

/** When the peer that has waited longest was last found equal. */
function comparedText({ gauges }: NodeReport): string {
  const intervalMs = gauges['comparison_interval_ms'];
  const oldestMs = gauges['comparison_oldest_ms'];
  if (intervalMs === 0) return 'off';
  if (oldestMs !== undefined) return `${formatDurationMs(oldestMs)} ago`;
  return intervalMs === undefined ? '-' : 'not yet';
}

/** One line for each node that others do not see up, with who sees it so; the reason is that of the first of them. */
function peerProblems(nodes: readonly NodeReport[]): readonly string[] {
  return nodes.flatMap(({ id }) => {
    const states = new Map<string, { readonly reason: string; readonly seenBy: string[] }>();
    for (const observer of nodes) {
      for (const { id: peer, state, reason } of observer.sees) {
        if (peer !== id || state === 'up') continue;
        const seen = states.get(state);
        if (seen === undefined) states.set(state, { reason, seenBy: [observer.id] });
        else seen.seenBy.push(observer.id);
      }
    }
    const problems = [...states].map(
      ([state, { reason, seenBy }]) =>
        `${state}${reason === '' ? '' : `: ${reason}`} (seen by ${seenBy.join(', ')})`,
    );
    return problems.length === 0 ? [] : [`${id} is ${problems.join('; and ')}`];
  });
}

/** The alarms of a node but for those that `peerProblems` tells of. */
function otherAlarms({ alarms, sees }: NodeReport): readonly string[] {
  const told = sees.filter(({ state }) => state !== 'up').map(({ id }) => id);
  return alarms.filter(
    (alarm) =>
      !told.some((id) => alarm.startsWith(`${id} is suspect:`) || alarm.startsWith(`${id} is failed:`)),
  );
}

function whoSeesWhom(nodes: readonly NodeReport[], colors: Colors): string {
  const answering = nodes.filter(({ error }) => error === null);
  if (nodes.length < 2 || answering.length === 0) return '';
  if (nodes.length > matrixNodesMax) return '';
  const rows = answering.map(({ id, sees }) => [
    `${id} sees`,
    ...nodes.map((node) => {
      const peer = sees.find((one) => one.id === node.id);
      return peer === undefined ? '' : colored(peerText(peer), peer.state, colors);
    }),
  ]);
  return `\n${plainTable(['', ...nodes.map(({ id }) => id)], rows)}`;
}

/** `up 0.2, 130ms ago, clock 3ms`: state and phi, when it was last heard, and how far its clock is ahead. */
function peerText({ state, phi, lastHeartbeatAgoMs, clockSkewMs }: PeerReport): string {
  const parts = [`${state} ${phi < 0.05 ? '0' : phi.toFixed(1)}`];
  if (lastHeartbeatAgoMs !== null) parts.push(`${formatDurationMs(lastHeartbeatAgoMs)} ago`);
  if (clockSkewMs !== null && state !== 'failed') parts.push(`clock ${formatDurationMs(clockSkewMs)}`);
  return parts.join(', ');
}

function colored(text: string, state: string, colors: Colors): string {
  if (state === 'up') return colors.green(text);
  return state === 'failed' ? colors.red(text) : colors.yellow(text);
}
