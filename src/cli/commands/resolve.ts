/**
 * `kindred resolve`: shows the siblings of a key, lets a person or a rule make one value of them, and puts it with the
 * context that covers exactly what was shown. What raced with that put is never lost: it stays a sibling, and is told.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { type Command, Option } from 'commander';
import { GetRequest, PutRequest, type PutResponse } from '../../gen/kindred/v1/kv.ts';
import { type Key, ReadOptions, Value, type Version, type WriteOptions } from '../../gen/kindred/v1/types.ts';
import {
  bodyPreview,
  dataOf,
  dotJson,
  dotsOf,
  keyJson,
  ReplicaNames,
  siblingTable,
  stateText,
  timestampText,
  versionJson,
  writeReportJson,
} from '../answer-text.ts';
import { decodeText, toBase64Url } from '../bytes-text.ts';
import type { ClusterClient } from '../client.ts';
import { CLIENT_EXIT } from '../exit-code.ts';
import { CallFailure } from '../failure.ts';
import {
  conflictDocument,
  hasConflictMarkers,
  largestOf,
  latestOf,
  oldestFirst,
  type Pick,
  unionOfLines,
} from '../merge-versions.ts';
import {
  addWriteOptions,
  causalityOf,
  keyOf,
  openClient,
  parseCount,
  requestIdText,
  type WriteFlags,
  writeOptionsOf,
} from '../request-options.ts';
import { type CommandContext, runClientCommand } from '../run-command.ts';
import { type Terminal, UsageError } from '../terminal.ts';

interface ResolveFlags extends WriteFlags {
  readonly pick?: Pick;
  readonly choose?: number;
  readonly edit?: boolean;
  readonly allowEmpty?: boolean;
}

/** What became of the choice among siblings. */
type Choice =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'deletion' }
  /** Nobody chose: the siblings stay as they are. */
  | { readonly kind: 'none' };

/** Adds the command to `program`. */
export function addResolveCommand(program: Command, context: CommandContext): void {
  const { terminal } = context;
  const command = addWriteOptions(
    program.command('resolve <key>').description('show the siblings of a key and make one value of them'),
  )
    .addOption(
      new Option('--pick <rule>', 'without asking: latest (by clock), largest, or union (of lines)')
        .choices(['latest', 'largest', 'union'])
        .conflicts(['choose', 'edit']),
    )
    .addOption(
      new Option('--choose <number>', 'without asking: this one of those shown')
        .argParser(parseCount)
        .conflicts('edit'),
    )
    .option('--edit', 'merge them in $VISUAL or $EDITOR; an empty result changes nothing')
    .option('--allow-empty', 'with --edit: store the result also when it is empty');
  command.action(async (keyText: string, flags: ResolveFlags) => {
    let sent: WriteOptions | undefined;
    await runClientCommand(
      context,
      flags,
      () => openClient(flags, terminal),
      async (client) => {
        if (flags.context !== undefined) {
          throw new UsageError(
            '--context: resolve takes the context of what it shows; to give another use put',
          );
        }
        const options = writeOptionsOf(flags);
        return resolveKey(client, terminal, keyText, flags, options, () => {
          sent = options;
        });
      },
      () => sent && requestIdText(sent),
    );
  });
}

async function resolveKey(
  client: ClusterClient,
  terminal: Terminal,
  keyText: string,
  flags: ResolveFlags,
  options: WriteOptions,
  beforeSending: () => void,
): Promise<{ exit: number }> {
  const key = keyOf(keyText, flags);
  const before = await client.read(({ keyValue }, call) => keyValue.get(GetRequest.create({ key }), call));
  const state = stateText(before.state);
  if (state !== 'conflict') {
    if (flags.json === true) {
      terminal.out(`${JSON.stringify({ key: keyJson(key), resolved: false, state })}\n`);
    } else
      terminal.err(
        state === 'found' ? 'nothing to resolve: the key has one version\n' : 'absent: nothing to resolve\n',
      );
    return { exit: state === 'found' ? CLIENT_EXIT.ok : CLIENT_EXIT.absent };
  }
  const choice = await choose(terminal, keyText, flags, before.versions);
  if (choice.kind === 'none') {
    if (flags.json === true) {
      const versions = before.versions.map(versionJson);
      const context = toBase64Url(before.context);
      terminal.out(`${JSON.stringify({ key: keyJson(key), resolved: false, state, versions, context })}\n`);
    } else
      terminal.err(
        'nothing was changed: choose with --pick latest|largest|union, --choose NUMBER or --edit\n',
      );
    return { exit: CLIENT_EXIT.conflict };
  }
  beforeSending();
  const causality = causalityOf({ context: toBase64Url(before.context) });
  const request = PutRequest.create({
    key,
    value: choice.kind === 'value' ? choice.value : undefined,
    causality,
    // The latest expiry of those that it supersedes: a resolution must not make a session immortal.
    expiry: { $case: 'keepExpiry', value: true },
    options,
  });
  const written: Written = await client.write<Written>(({ keyValue }, call) =>
    choice.kind === 'value'
      ? keyValue.put(request, call)
      : keyValue.delete({ key, causality, options }, call),
  );
  return tellOutcome(client, terminal, keyText, flags, {
    key,
    options,
    written,
    deleted: choice.kind === 'deletion',
    superseded: before.versions.length,
  });
}

/** What puts and deletions answer alike. */
interface Written {
  readonly context: PutResponse['context'];
  readonly dot: PutResponse['dot'];
  readonly report: PutResponse['report'];
}

/** Reads back what the key holds now: another writer may have raced with the resolution. */
async function tellOutcome(
  client: ClusterClient,
  terminal: Terminal,
  keyText: string,
  flags: ResolveFlags,
  done: { key: Key; options: WriteOptions; written: Written; deleted: boolean; superseded: number },
): Promise<{ exit: number }> {
  const { key, options, written, deleted, superseded } = done;
  const request = GetRequest.create({ key, options: ReadOptions.create({ minContext: written.context }) });
  let raced: readonly Version[] | undefined;
  try {
    const after = await client.read(({ keyValue }, call) => keyValue.get(request, call));
    raced = stateText(after.state) === 'conflict' ? after.versions : [];
  } catch (error) {
    if (!(error instanceof CallFailure)) throw error;
    terminal.err(
      `the ${deleted ? 'deletion' : 'value'} is stored; whether others raced with it could not be read: ${error.message}\n`,
    );
  }
  const conflict = raced !== undefined && raced.length > 0;
  if (flags.json === true) {
    const answer = {
      key: keyJson(key),
      resolved: !conflict,
      state: raced === undefined ? 'unknown' : conflict ? 'conflict' : deleted ? 'absent' : 'found',
      superseded,
      dot: dotJson(written.dot),
      context: toBase64Url(written.context),
      requestId: requestIdText(options),
      versions: raced?.map(versionJson) ?? [],
      report: writeReportJson(written.report),
    };
    terminal.out(`${JSON.stringify(answer)}\n`);
  } else if (conflict && raced !== undefined) {
    terminal.out(siblingTable(raced, terminal.columns));
    terminal.err(
      `your ${deleted ? 'deletion' : 'value'} is stored, and others were written meanwhile: nothing is lost, ${raced.length} versions stand side by side. ` +
        `Resolve again: kindred resolve ${keyText}\n`,
    );
  } else {
    terminal.out(`${toBase64Url(written.context)}\n`);
    terminal.err(
      deleted
        ? `resolved: the key is deleted, in place of the ${superseded} versions that raced\n`
        : `resolved: one version stands for the ${superseded} that raced\n`,
    );
  }
  return { exit: conflict ? CLIENT_EXIT.conflict : CLIENT_EXIT.ok };
}

async function choose(
  terminal: Terminal,
  keyText: string,
  flags: ResolveFlags,
  versions: readonly Version[],
): Promise<Choice> {
  if (flags.pick !== undefined) return pick(flags.pick, versions);
  if (flags.choose !== undefined) return chosen(versions, flags.choose);
  if (flags.edit === true) return edit(terminal, versions, flags.allowEmpty === true);
  if (flags.json === true) return { kind: 'none' };
  terminal.out(siblingTable(versions, terminal.columns));
  if (terminal.stdin.isTTY !== true) return { kind: 'none' };
  return ask(terminal, keyText, versions, flags.allowEmpty === true);
}

function pick(rule: Pick, versions: readonly Version[]): Choice {
  switch (rule) {
    case 'latest':
      return valueOfVersion(latestOf(versions));
    case 'largest':
      return valueOfVersion(largestOf(versions));
    case 'union': {
      if (versions.every((version) => dataOf(version) === undefined)) return { kind: 'deletion' };
      const ordered = oldestFirst(versions);
      return merged(unionOfLines(textsOf(ordered)), ordered);
    }
  }
}

function chosen(versions: readonly Version[], number: number): Choice {
  const version = versions[number - 1];
  if (version === undefined) {
    throw new UsageError(`there is no version [${number}]: the key has ${versions.length} now, look again`);
  }
  return valueOfVersion(version);
}

function valueOfVersion(version: Version): Choice {
  if (version.body?.$case !== 'value') return { kind: 'deletion' };
  return { kind: 'value', value: version.body.value };
}

/** A merged text; content type and metadata are those of the latest version. */
function merged(text: string, versions: readonly Version[]): Choice {
  const { body } = latestOf(versions);
  const template = body?.$case === 'value' ? body.value : Value.create();
  return { kind: 'value', value: { ...template, data: new TextEncoder().encode(text) } };
}

function textsOf(versions: readonly Version[]): string[] {
  return versions.map((version) => {
    const text = decodeText(dataOf(version) ?? new Uint8Array());
    if (text === undefined) {
      throw new UsageError(
        'one version is no text, so lines cannot be merged: use --pick latest|largest, --choose, or put with --file',
      );
    }
    return text;
  });
}

async function ask(
  terminal: Terminal,
  keyText: string,
  versions: readonly Version[],
  allowEmpty: boolean,
): Promise<Choice> {
  const lines = createInterface({
    input: terminal.stdin,
    output: process.stderr,
    terminal: terminal.errIsTerminal,
  });
  try {
    for (;;) {
      const answer = await lines.question(
        `Which one for ${keyText}? 1-${versions.length}, e to edit, u for the union of lines, q to leave it: `,
      );
      const word = answer.trim().toLowerCase();
      if (word === 'q' || word === '') return { kind: 'none' };
      if (word === 'e') return await edit(terminal, versions, allowEmpty);
      if (word === 'u') return pick('union', versions);
      const version = versions[Number(word) - 1];
      if (/^\d+$/.test(word) && version !== undefined) {
        terminal.err(`taking ${bodyPreview(version)}\n`);
        return valueOfVersion(version);
      }
    }
  } finally {
    lines.close();
  }
}

/** Lets a person merge in their editor. What cannot be taken as it is stays in its file, and they are told where. */
async function edit(terminal: Terminal, versions: readonly Version[], allowEmpty: boolean): Promise<Choice> {
  const editor = terminal.environment['VISUAL'] || terminal.environment['EDITOR'];
  if (!editor)
    throw new UsageError('--edit needs $VISUAL or $EDITOR; or use --pick, --choose, or put with --context');
  const names = new ReplicaNames(dotsOf(versions));
  const texts = textsOf(versions);
  const document = conflictDocument(
    texts,
    versions.map((version) =>
      [names.dot(version.dot), version.writtenAt === undefined ? '' : timestampText(version.writtenAt)].join(
        ' ',
      ),
    ),
  );
  const folder = mkdtempSync(join(tmpdir(), 'kindred-resolve-'));
  const path = join(folder, 'merge.txt');
  let keep = false;
  const refuse = (why: string): Choice => {
    keep = existsSync(path) && !['', document].includes(readFileSync(path, 'utf8').trimStart());
    terminal.err(`${why}${keep ? `; your text is kept in ${path}` : ''}\n`);
    return { kind: 'none' };
  };
  try {
    writeFileSync(path, document, { mode: 0o600 });
    // Through the shell, as git does: $EDITOR may hold arguments ("code --wait").
    const result = spawnSync('/bin/sh', ['-c', `${editor} "$1"`, 'sh', path], { stdio: 'inherit' });
    if (result.error !== undefined) throw new UsageError(`${editor}: ${result.error.message}`);
    if (result.status !== 0) return refuse(`${editor} ended with ${result.status ?? result.signal}`);
    if (!existsSync(path)) return refuse(`${editor} left no file`);
    const text = readFileSync(path, 'utf8');
    if (hasConflictMarkers(text, texts)) return refuse('the markers <<<<<<< and >>>>>>> are still there');
    if (text.trim() === '' && !allowEmpty)
      return refuse('the result is empty; to store it give --allow-empty, to delete the key kindred delete');
    return merged(text, versions);
  } finally {
    if (!keep) rmSync(folder, { recursive: true, force: true });
  }
}
