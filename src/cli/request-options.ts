/** Options that commands share, and how they become fields of requests. */

import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  BlindWrite,
  ConflictMode,
  ConsistencyLevel,
  Durability,
  Handoff,
  Key,
  ReadOptions,
  WriteOptions,
} from '../gen/kindred/v1/types.ts';
import { type ByteEncoding, parseBase64, parseBytes } from './bytes-text.ts';
import { ClusterClient, parseEndpoints } from './client.ts';
import { parseDurationMs } from './duration-text.ts';
import { CallFailure } from './failure.ts';
import { readStdin, type Terminal, UsageError } from './terminal.ts';

/** Options of every command that talks to a cluster. */
export interface ConnectionFlags {
  readonly endpoint: readonly string[];
  readonly timeout: string;
  readonly json?: boolean;
}

/** Options of every command that names a key. */
export interface KeyFlags extends ConnectionFlags {
  readonly bucket: string;
  readonly base64?: boolean;
  readonly hex?: boolean;
}

/** How strong a request is. */
export interface StrengthFlags {
  readonly level?: string;
  readonly replicas?: number;
}

/** Options of reads. */
export interface ReadFlags extends KeyFlags, StrengthFlags {
  readonly minContext?: string;
  readonly fallback?: string;
  readonly onConflict?: string;
}

/** Options of writes. */
export interface WriteFlags extends KeyFlags, StrengthFlags {
  readonly context?: string;
  readonly durability?: string;
  readonly handoff?: string;
  readonly requestId?: string;
}

/** Names of levels as people write them. */
export const LEVEL_NAMES: readonly string[] = [
  'any',
  'one',
  'two',
  'three',
  'quorum',
  'all',
  'local-one',
  'local-quorum',
  'each-quorum',
];
const READ_LEVEL_NAMES = LEVEL_NAMES.filter((name) => name !== 'any');
const DURABILITY_NAMES = ['buffered', 'sync-one', 'sync-quorum'];
const HANDOFF_NAMES = ['strict', 'sloppy'];
const BLIND_NAMES = ['overwrite', 'add-sibling', 'reject'];

/** Longer makes no sense: every node gives up after its own maximum, which is seconds by default. */
const TIMEOUT_MS_MAX = 3_600_000;
/** No bucket takes more, whatever its settings. */
const VALUE_BYTES_MAX = 1024 * 1024;

/** Adds the options of every command that talks to a cluster. */
export function addConnectionOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '-e, --endpoint <host:port>',
        'node to talk to; repeat it, or separate by commas, to have others to turn to',
      )
        .argParser(collect)
        .default([], '$KINDRED_ENDPOINT, else 127.0.0.1:7400'),
    )
    .option(
      '--timeout <duration>',
      'give up after this long, at most 1h (nodes: timeouts.request_ms_max)',
      '5s',
    )
    .option('--json', 'print one JSON document; its shape is documented and stable');
}

/** Adds the options of every command that names a key. */
export function addKeyOptions(command: Command): Command {
  return addConnectionOptions(command)
    .option('-b, --bucket <name>', 'bucket of the key', 'default')
    .addOption(new Option('--base64', 'KEY and VALUE are base64, and get prints base64').conflicts('hex'))
    .addOption(new Option('--hex', 'KEY and VALUE are hex, and get prints hex').conflicts('base64'));
}

/** Adds the options of reads. */
export function addReadOptions(command: Command): Command {
  return addKeyOptions(command)
    .addOption(
      new Option('-l, --level <level>', 'how many replicas must answer (default: of the bucket)').choices(
        READ_LEVEL_NAMES,
      ),
    )
    .addOption(
      new Option('--replicas <count>', 'the same as a number').argParser(parseCount).conflicts('level'),
    )
    .option('--min-context <context>', 'never answer less than this context covers: read your own writes')
    .option('--fallback <levels>', 'weaker levels to accept, in order, separated by commas');
}

/** Adds the options of writes. */
export function addWriteOptions(command: Command): Command {
  return addKeyOptions(command)
    .addOption(
      new Option(
        '-l, --level <level>',
        'how many replicas must acknowledge (default: of the bucket)',
      ).choices(LEVEL_NAMES),
    )
    .addOption(
      new Option('--replicas <count>', 'the same as a number').argParser(parseCount).conflicts('level'),
    )
    .option('-c, --context <context>', 'supersede exactly what this context covers (from get, put or delete)')
    .addOption(
      new Option('--durability <mode>', 'what an acknowledgement proves (default: of the bucket)').choices(
        DURABILITY_NAMES,
      ),
    )
    .addOption(
      new Option(
        '--handoff <mode>',
        'sloppy: nodes that stand in for absent replicas count (default: of the bucket)',
      ).choices(HANDOFF_NAMES),
    )
    .option(
      '--request-id <id>',
      '16 bytes in hex; repeat a write with the same id and it counts once (default: random)',
    );
}

/** The option of puts and deletes without a context. */
export function blindOption(): Option {
  return new Option(
    '--blind <mode>',
    'without --context: what to do with what is stored (default: of the bucket)',
  )
    .choices(BLIND_NAMES)
    .conflicts('context');
}

/** A client for the endpoints that the flags name. */
export function openClient(flags: ConnectionFlags, terminal: Terminal): ClusterClient {
  const endpoints = parseEndpoints(flags.endpoint, terminal.environment['KINDRED_ENDPOINT']);
  const timeoutMs = parseDurationMs(flags.timeout, '--timeout');
  if (timeoutMs > TIMEOUT_MS_MAX) {
    throw new UsageError(
      `--timeout is "${flags.timeout}", but must be at most 1h; a node gives up earlier, after its timeouts.request_ms_max`,
    );
  }
  return new ClusterClient(endpoints, { timeoutMs });
}

/** How the flags say that bytes are written. */
export function encodingOf(flags: { readonly base64?: boolean; readonly hex?: boolean }): ByteEncoding {
  return flags.base64 === true ? 'base64' : flags.hex === true ? 'hex' : 'text';
}

/** The key that KEY stands for. */
export function keyOf(text: string, flags: KeyFlags): Key {
  const key = parseBytes(text, encodingOf(flags), 'KEY');
  if (key.length === 0) throw new UsageError('KEY is empty, but must have 1 to 1024 bytes');
  return Key.create({ bucket: flags.bucket, key });
}

/** The value from VALUE, `--file`, or standard input (`-`, which has to be said: a script's may be empty unawares). */
export async function valueBytesOf(
  text: string | undefined,
  flags: { readonly file?: string; readonly base64?: boolean; readonly hex?: boolean },
  terminal: Terminal,
): Promise<Uint8Array> {
  const data = await anyValueBytesOf(text, flags, terminal);
  checkValueBytes(data.length);
  return data;
}

async function anyValueBytesOf(
  text: string | undefined,
  flags: { readonly file?: string; readonly base64?: boolean; readonly hex?: boolean },
  terminal: Terminal,
): Promise<Uint8Array> {
  if (flags.file !== undefined && text !== undefined) {
    throw new UsageError('VALUE and --file are both given: choose one');
  }
  if (flags.file === '-') return readStdin(terminal);
  if (flags.file !== undefined) return readValueFile(flags.file);
  if (text === undefined) {
    throw new UsageError('VALUE is missing: give it, or --file PATH, or - for standard input');
  }
  if (text !== '-') return parseBytes(text, encodingOf(flags), 'VALUE');
  const input = await readStdin(terminal);
  const encoding = encodingOf(flags);
  return encoding === 'text'
    ? input
    : parseBytes(new TextDecoder().decode(input).trim(), encoding, 'standard input');
}

async function readValueFile(path: string): Promise<Uint8Array> {
  try {
    // Asked first: a file of many gigabytes need not be read to be refused.
    checkValueBytes((await stat(path)).size);
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof CallFailure) throw cause;
    throw new UsageError(`--file: ${(cause as Error).message}`, { cause });
  }
}

/** Refuses here what every node would refuse, as a node would say it. */
function checkValueBytes(length: number): void {
  if (length <= VALUE_BYTES_MAX) return;
  const grouped = (count: number): string => count.toLocaleString('en');
  throw new CallFailure({
    message: `value.data: ${grouped(length)} bytes; the limit is ${grouped(VALUE_BYTES_MAX)} bytes (1 MiB). Nothing was sent`,
    code: 'INVALID_ARGUMENT',
    reason: 'TOO_LARGE',
    outcome: 'not-applied',
    endpoint: '',
  });
}

/** The `options` of a read. */
export function readOptionsOf(flags: ReadFlags): ReadOptions {
  return ReadOptions.create({
    strength: strengthOf(flags),
    minContext: parseContext(flags.minContext, '--min-context') ?? new Uint8Array(),
    fallback: (flags.fallback?.split(',') ?? []).map((name) =>
      levelOf(name.trim(), READ_LEVEL_NAMES, '--fallback'),
    ),
    onConflict:
      flags.onConflict === 'latest'
        ? ConflictMode.CONFLICT_MODE_PICK_LATEST
        : flags.onConflict === 'fail'
          ? ConflictMode.CONFLICT_MODE_FAIL
          : ConflictMode.CONFLICT_MODE_UNSPECIFIED,
  });
}

/** The `options` of a write; a request id is made where none is given, so that retries count once. */
export function writeOptionsOf(flags: WriteFlags): WriteOptions {
  return WriteOptions.create({
    strength: strengthOf(flags),
    durability: durabilityOf(flags.durability),
    handoff: handoffOf(flags.handoff),
    requestId: flags.requestId === undefined ? randomBytes(16) : parseRequestId(flags.requestId),
  });
}

/** The context that a write supersedes, or what it does without one. */
export function causalityOf(flags: {
  readonly context?: string;
  readonly blind?: string;
}): { $case: 'context'; value: Uint8Array } | { $case: 'blind'; value: BlindWrite } | undefined {
  const context = parseContext(flags.context, '--context');
  if (context !== undefined) return { $case: 'context', value: context };
  switch (flags.blind) {
    case 'overwrite':
      return { $case: 'blind', value: BlindWrite.BLIND_WRITE_OVERWRITE };
    case 'add-sibling':
      return { $case: 'blind', value: BlindWrite.BLIND_WRITE_ADD_SIBLING };
    case 'reject':
      return { $case: 'blind', value: BlindWrite.BLIND_WRITE_REJECT };
    default:
      return undefined;
  }
}

/** A context from the command line. Empty is refused: it would mean "none" to the server, and a variable was not set. */
export function parseContext(text: string | undefined, flag: string): Uint8Array | undefined {
  if (text === undefined) return undefined;
  const context = parseBase64(text, flag);
  if (context.length === 0) {
    throw new UsageError(`${flag} is empty: leave it out, or give one from get, put or delete`);
  }
  return context;
}

/** How request ids are shown: hex, as `--request-id` takes them. */
export function requestIdText(options: WriteOptions): string {
  return Buffer.from(options.requestId).toString('hex');
}

/** For options that may be repeated. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** A whole number from 1. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count) || count < 1) {
    throw new InvalidArgumentError('must be a whole number from 1.');
  }
  return count;
}

function strengthOf(
  flags: StrengthFlags,
): { $case: 'consistency'; value: ConsistencyLevel } | { $case: 'replicas'; value: number } | undefined {
  if (flags.replicas !== undefined) return { $case: 'replicas', value: flags.replicas };
  if (flags.level === undefined) return undefined;
  return { $case: 'consistency', value: levelOf(flags.level, LEVEL_NAMES, '--level') };
}

function levelOf(name: string, allowed: readonly string[], flag: string): ConsistencyLevel {
  if (!allowed.includes(name)) throw new UsageError(`${flag} "${name}" must be one of ${allowed.join(', ')}`);
  const constant = `CONSISTENCY_LEVEL_${name.replace('-', '_').toUpperCase()}`;
  return ConsistencyLevel[constant as keyof typeof ConsistencyLevel];
}

function durabilityOf(name: string | undefined): Durability {
  switch (name) {
    case 'buffered':
      return Durability.DURABILITY_BUFFERED;
    case 'sync-one':
      return Durability.DURABILITY_SYNC_ONE;
    case 'sync-quorum':
      return Durability.DURABILITY_SYNC_QUORUM;
    default:
      return Durability.DURABILITY_UNSPECIFIED;
  }
}

function handoffOf(name: string | undefined): Handoff {
  switch (name) {
    case 'strict':
      return Handoff.HANDOFF_STRICT;
    case 'sloppy':
      return Handoff.HANDOFF_SLOPPY;
    default:
      return Handoff.HANDOFF_UNSPECIFIED;
  }
}

function parseRequestId(text: string): Uint8Array {
  const hex = text.replaceAll('-', '');
  if (!/^[0-9a-fA-F]{32}$/.test(hex))
    throw new UsageError('--request-id must be 32 hex digits (a UUID will do)');
  return Buffer.from(hex, 'hex');
}
