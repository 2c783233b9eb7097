/** `kindred get`, `inspect`, `locate`: commands that change nothing. */

import type { Command } from 'commander';
import { Option } from 'commander';
import type { InspectKeyResponse } from '../../gen/kindred/v1/diagnostic.ts';
import type { GetResponse } from '../../gen/kindred/v1/kv.ts';
import type { Key } from '../../gen/kindred/v1/types.ts';
import {
  bodyPreview,
  dataOf,
  dotsOf,
  getJson,
  keyJson,
  nodeStateText,
  plainTable,
  ReplicaNames,
  readReportText,
  siblingTable,
  stateText,
  timestampText,
  versionJson,
} from '../answer-text.ts';
import { bytesText, decodeText, formatBytes, isPlainText, toBase64Url } from '../bytes-text.ts';
import { CLIENT_EXIT } from '../exit-code.ts';
import {
  addKeyOptions,
  addReadOptions,
  encodingOf,
  type KeyFlags,
  keyOf,
  openClient,
  type ReadFlags,
  readOptionsOf,
} from '../request-options.ts';
import { type CommandContext, runClientCommand } from '../run-command.ts';
import type { Terminal } from '../terminal.ts';

/** Adds the commands that read to `program`. */
export function addReadCommands(program: Command, context: CommandContext): void {
  const { terminal } = context;

  addReadOptions(
    program.command('get <key>').description('read a key: the value on standard output, or all siblings'),
  )
    .addOption(
      new Option('--on-conflict <mode>', 'what to do with several versions: all (exit 5), latest, or fail')
        .choices(['all', 'latest', 'fail'])
        .default('all'),
    )
    .option('-v, --verbose', 'tell dot, clock, context and report on standard error')
    .action(async (keyText: string, flags: ReadFlags & { verbose?: boolean }) => {
      await runClientCommand(
        context,
        flags,
        () => openClient(flags, terminal),
        async (client) => {
          const key = keyOf(keyText, flags);
          const request = { key, options: readOptionsOf(flags) };
          const answer = await client.read(({ keyValue }, options) => keyValue.get(request, options));
          if (flags.json === true) terminal.out(`${JSON.stringify(getJson(key, answer))}\n`);
          else printGet(terminal, keyText, flags, answer);
          return { exit: GET_EXIT[stateText(answer.state)] };
        },
      );
    });

  addKeyOptions(
    program.command('inspect <key>').description('show what each replica of a key holds, side by side'),
  ).action(async (keyText: string, flags: KeyFlags) => {
    await runClientCommand(
      context,
      flags,
      () => openClient(flags, terminal),
      async (client) => {
        const key = keyOf(keyText, flags);
        const answer = await client.read(({ diagnostic }, options) =>
          diagnostic.inspectKey({ key, includeData: true }, options),
        );
        terminal.out(
          flags.json === true ? `${JSON.stringify(inspectJson(key, answer))}\n` : inspectText(answer),
        );
        return { exit: CLIENT_EXIT.ok };
      },
    );
  });

  addKeyOptions(program.command('locate <key>').description('show which nodes keep a key')).action(
    async (keyText: string, flags: KeyFlags) => {
      await runClientCommand(
        context,
        flags,
        () => openClient(flags, terminal),
        async (client) => {
          const key = keyOf(keyText, flags);
          const answer = await client.read(({ topology }, options) => topology.locate({ key }, options));
          const places = answer.replicas.map((place) => ({
            node: place.nodeId,
            home: place.home,
            state: nodeStateText(place.state),
          }));
          if (flags.json === true) {
            const { token, topologyEpoch: layoutVersion } = answer;
            terminal.out(
              `${JSON.stringify({ key: keyJson(key), token, layoutVersion, replicas: places })}\n`,
            );
          } else {
            terminal.out(`token ${answer.token}, layout ${answer.topologyEpoch}\n`);
            terminal.out(
              plainTable(
                ['#', 'node', 'role', 'state'],
                places.map(({ node, home, state }, index) => [
                  String(index + 1),
                  node,
                  home ? 'replica' : 'stands in',
                  state,
                ]),
              ),
            );
          }
          return { exit: CLIENT_EXIT.ok };
        },
      );
    },
  );
}

const GET_EXIT = {
  found: CLIENT_EXIT.ok,
  absent: CLIENT_EXIT.absent,
  conflict: CLIENT_EXIT.conflict,
  unknown: CLIENT_EXIT.failed,
} as const;

function printGet(
  terminal: Terminal,
  keyText: string,
  flags: ReadFlags & { verbose?: boolean },
  answer: GetResponse,
): void {
  const state = stateText(answer.state);
  const [version] = answer.versions;
  const names = new ReplicaNames(dotsOf(answer.versions));
  switch (state) {
    case 'found':
      if (version !== undefined) printValue(terminal, flags, dataOf(version) ?? new Uint8Array());
      break;
    case 'absent':
      terminal.err('absent: never written, deleted or expired\n');
      break;
    case 'conflict':
      terminal.out(siblingTable(answer.versions, terminal.columns));
      terminal.err(
        `conflict: ${answer.versions.length} versions raced. Choose or merge: kindred resolve ${keyText}\n` +
          `or put the result yourself, with --context ${toBase64Url(answer.context)}\n`,
      );
      break;
    case 'unknown':
      terminal.err('the server answered with a state that this version does not know\n');
  }
  if (flags.verbose !== true) return;
  if (state === 'found' && version !== undefined) {
    terminal.err(`dot      ${names.dot(version.dot)}\nclock    ${names.clock(version)}\n`);
    if (version.writtenAt !== undefined) terminal.err(`written  ${timestampText(version.writtenAt)}\n`);
    if (version.expireTime !== undefined) terminal.err(`expires  ${timestampText(version.expireTime)}\n`);
  }
  terminal.err(`context  ${toBase64Url(answer.context)}\n`);
  if (answer.report !== undefined) terminal.err(`read     ${readReportText(answer.report)}\n`);
}

/** A pipe gets the exact bytes. A terminal gets a line, and never control characters from someone else's value. */
function printValue(terminal: Terminal, flags: ReadFlags, data: Uint8Array): void {
  const encoding = encodingOf(flags);
  if (encoding !== 'text') {
    terminal.out(`${formatBytes(data, encoding)}\n`);
    return;
  }
  if (!terminal.outIsTerminal) {
    terminal.out(data);
    return;
  }
  const text = decodeText(data);
  if (text !== undefined && isPlainText(text)) terminal.out(text.endsWith('\n') ? text : `${text}\n`);
  else {
    terminal.out(`${formatBytes(data, 'base64')}\n`);
    terminal.err(
      `${bytesText(data.length)} that are no plain text, shown as base64; write them to a file with > FILE\n`,
    );
  }
}

function inspectJson(key: Key, answer: InspectKeyResponse): object {
  return {
    key: keyJson(key),
    explanation: answer.explanation,
    replicas: answer.replicas.map((view) => ({
      node: view.nodeId,
      home: view.home,
      state: nodeStateText(view.state),
      versions: view.versions.map(versionJson),
      clock: view.contextText,
      storedBytes: view.storedBytes,
      damaged: view.damaged,
      error: view.error === undefined ? null : view.error.message,
    })),
    merged: answer.merged.map(versionJson),
  };
}

function inspectText(answer: InspectKeyResponse): string {
  const names = new ReplicaNames(
    dotsOf([...answer.merged, ...answer.replicas.flatMap((view) => view.versions)]),
  );
  const rows = answer.replicas.flatMap((view) => {
    const state = view.damaged ? 'DAMAGED' : nodeStateText(view.state);
    const head = [view.nodeId, view.home ? 'replica' : 'stands in', state, String(view.storedBytes)];
    if (view.error !== undefined) return [[...head, noAnswerText(view.error.message), '']];
    if (view.versions.length === 0) return [[...head, view.storedBytes === 0 ? 'nothing' : 'no version', '']];
    return view.versions.map((version, index) => [
      ...(index === 0 ? head : ['', '', '', '']),
      names.dot(version.dot),
      bodyPreview(version, 40),
    ]);
  });
  const merged = answer.merged.map((version) => `  ${names.dot(version.dot)}  ${bodyPreview(version, 60)}`);
  return [
    plainTable(['node', 'role', 'state', 'bytes', 'dot', 'value'], rows),
    merged.length === 0 ? 'merged: nothing\n' : `merged:\n${merged.join('\n')}\n`,
    `${answer.explanation}\n`,
  ].join('');
}

/** Why a replica is missing from the picture, for people: the server names the state of the call. */
function noAnswerText(message: string): string {
  if (/not-sent/.test(message)) return 'no answer: it cannot be reached';
  if (/timed-out/.test(message)) return 'no answer: it did not answer in time';
  if (/\blost\b/.test(message)) return 'no answer: the connection broke';
  return `no answer: ${message}`;
}
