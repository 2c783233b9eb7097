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
import type { Terminal } from '../terminal.ts';

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
          if (flags.watch === undefined) return { exit: show(await clusterStatus(client), flags, terminal) };
          const intervalMs = flags.watch === true ? watchMsDefault : parseDurationMs(flags.watch, '--watch');
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
      const report = await clusterStatus(client);
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
    node.clockSkewMs === null ? '-' : formatDurationMs(node.clockSkewMs),
    hintsText(node),
    agoText(node.gauges['comparison_oldest_ms']),
  ]);
  const notes = nodes.flatMap((node) => [
    ...(node.error === null ? [] : [`${node.id}: does not answer here: ${node.error}`]),
    ...node.alarms.map((alarm) => `${node.id}: ${alarm}`),
  ]);
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

function agoText(ms: number | undefined): string {
  return ms === undefined ? '-' : `${formatDurationMs(ms)} ago`;
}

function whoSeesWhom(nodes: readonly NodeReport[], colors: Colors): string {
  const answering = nodes.filter(({ error }) => error === null);
  if (nodes.length < 2 || answering.length === 0) return '';
  if (nodes.length > matrixNodesMax) {
    return answering
      .flatMap(({ id, sees }) =>
        sees
          .filter(({ state }) => state !== 'up')
          .map(
            (peer) => `${id} sees ${peer.id} ${colored(peer.state, peer.state, colors)}: ${peer.reason}\n`,
          ),
      )
      .join('');
  }
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
  const parts = [`${state} ${phi.toFixed(1)}`];
  if (lastHeartbeatAgoMs !== null) parts.push(`${formatDurationMs(lastHeartbeatAgoMs)} ago`);
  if (clockSkewMs !== null) parts.push(`clock ${formatDurationMs(clockSkewMs)}`);
  return parts.join(', ');
}

function colored(text: string, state: string, colors: Colors): string {
  if (state === 'up') return colors.green(text);
  return state === 'failed' ? colors.red(text) : colors.yellow(text);
}
