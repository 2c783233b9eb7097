/**
 * One parse for all sources: flags over environment over file over defaults, then the form (`schema.ts`), then the
 * relations between fields. A problem names where the value came from, the field, both sides, and what to do.
 */

import { LineCounter, parse, parseDocument, type Node as YamlNode } from 'yaml';
import type { Bucket } from '../core/bucket.ts';
import { nodeId } from '../core/identity.ts';
import type { Config, MemberConfig } from './config.ts';
import { checkRelations, type Path, type Problem, pathText } from './relations.ts';
import { checkShape, type Knob, knobs, type RawBucket, type RawConfig } from './schema.ts';

/** What a configuration is made of. Later members win over earlier ones. */
export interface ConfigSources {
  /** The YAML file: its name for messages, and its text. */
  readonly file?: { readonly name: string; readonly text: string } | undefined;
  /** The environment. Only `KINDRED_*` is read: `KINDRED_TIMEOUTS_REQUEST_MS` is `timeouts.request_ms`. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** Settings from the command line, in order. */
  readonly flags?: readonly ConfigFlag[] | undefined;
  /** Whether logs go to a terminal; decides the default of `log.format`. Default false. */
  readonly terminal?: boolean | undefined;
}

/** One setting from the command line. */
export interface ConfigFlag {
  /** `timeouts.request_ms`. */
  readonly path: string;
  /** Text, or a value already in the form of the file (a list of members). */
  readonly value: unknown;
  /** How messages call it: `--engine`. */
  readonly name: string;
}

/** A checked configuration, with what is allowed but worth a look. */
export interface ParsedConfig {
  readonly config: Config;
  readonly warnings: readonly string[];
}

/** The configuration cannot be used. `problems` has one line each; the message has them all. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'config-invalid';
  readonly problems: readonly string[];
  constructor(problems: readonly string[], options?: ErrorOptions) {
    const count = problems.length === 1 ? '' : ` (${problems.length} problems)`;
    super(`configuration refused${count}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`, options);
    this.problems = problems;
  }
}

/** Reads, completes and checks a configuration. Throws ConfigError with every problem found. */
export function parseConfig(sources: ConfigSources): ParsedConfig {
  const gathered = gather(sources);
  const shape = checkShape(gathered.input);
  if (shape.kind === 'invalid') {
    throw new ConfigError(
      shape.problems.map(
        ({ path, message }) => `${gathered.origin(path)}: ${pathText(path) || 'the file'}: ${message}`,
      ),
    );
  }
  const config = complete(shape.raw, sources.terminal ?? false, gathered.problems);
  if (config !== undefined) checkRelations(config, shape.raw, gathered.problems);
  if (config === undefined || gathered.problems.length > 0) {
    throw new ConfigError(gathered.problems.map((problem) => withOrigin(problem, gathered.origin)));
  }
  return { config, warnings: warningsOf(config) };
}

/** The environment variable that sets the knob at `path`. */
export function environmentName(path: string): string {
  return `KINDRED_${path.replaceAll('.', '_').toUpperCase()}`;
}

/** A member from the command line: `id@host[:client[:peer[:http]]][/zone[*weight]]`, as in `n1@10.0.0.1:7400:7500:7600/rack-a*2`. */
export function parseMemberFlag(text: string): Record<string, unknown> {
  const match =
    /^(?<id>[^@]+)@(?<host>\[[^\]]+\]|[^:/*[\]]+)(?::(?<client>\d+)(?::(?<peer>\d+)(?::(?<http>\d+))?)?)?(?:\/(?<zone>[^*]+))?(?:\*(?<weight>[\d.]+))?$/.exec(
      text,
    );
  const parts = match?.groups;
  if (parts === undefined) {
    throw new ConfigError([
      `--member ${text}: must be id@host[:client_port[:peer_port[:http_port]]][/zone][*weight], as n1@10.0.0.1:7400:7500:7600/rack-a`,
    ]);
  }
  return {
    id: parts['id'],
    host: parts['host']?.replace(/^\[|\]$/g, ''),
    ...(parts['client'] !== undefined && { client_port: Number(parts['client']) }),
    ...(parts['peer'] !== undefined && { peer_port: Number(parts['peer']) }),
    ...(parts['http'] !== undefined && { http_port: Number(parts['http']) }),
    ...(parts['zone'] !== undefined && { zone: parts['zone'] }),
    ...(parts['weight'] !== undefined && { weight: Number(parts['weight']) }),
  };
}

/** Names that are ours but no knobs: the command line reads them. */
const OTHER_VARIABLES = new Set(['KINDRED_CONFIG', 'KINDRED_ENDPOINT']);
/** Kubernetes injects these for a service called `kindred`; to refuse them would refuse to start there. */
const FOREIGN_VARIABLES =
  /^KINDRED_(SERVICE_(HOST|PORT)|PORT(_|$)|[A-Z0-9_]*_(SERVICE_HOST|SERVICE_PORT|PORT_\d+_))/;

type Origin = (path: Path) => string;

interface Gathered {
  readonly input: unknown;
  readonly problems: Problem[];
  readonly origin: Origin;
}

/** Lays the sources over one another, and remembers where each value came from. */
function gather(sources: ConfigSources): Gathered {
  const settable = new Map(
    knobs()
      .filter((knob) => !knob.path.includes('[]'))
      .map((knob) => [knob.path, knob]),
  );
  const set = new Map<string, string>();
  const { input, lineOf } = readFile(sources.file);
  for (const { path, value, name } of [
    ...fromEnvironment(sources.environment ?? {}, settable),
    ...(sources.flags ?? []),
  ]) {
    const knob = settable.get(path);
    if (knob === undefined) throw new ConfigError([`${name}: there is no field ${path}`]);
    assign(input, path, typeof value === 'string' ? readText(knob, value, name) : value);
    set.set(path, name);
  }
  const origin: Origin = (path) => {
    for (let length = path.length; length > 0; length--) {
      const name = set.get(path.slice(0, length).join('.'));
      if (name !== undefined) return name;
    }
    const line = lineOf(path);
    if (line !== undefined && sources.file !== undefined) return `${sources.file.name}:${line}`;
    return sources.file === undefined ? 'default' : `${sources.file.name} (default)`;
  };
  return { input, problems: [], origin };
}

function readFile(file: ConfigSources['file']): {
  input: Record<string, unknown>;
  lineOf: (path: Path) => number | undefined;
} {
  if (file === undefined) return { input: {}, lineOf: () => undefined };
  const lines = new LineCounter();
  const document = parseDocument(file.text, { lineCounter: lines, uniqueKeys: true });
  if (document.errors.length > 0) {
    throw new ConfigError(document.errors.map((error) => `${file.name}: ${error.message.split(':\n')[0]}`));
  }
  const input: unknown = document.toJS({ maxAliasCount: 100 }) ?? {};
  if (typeof input !== 'object' || Array.isArray(input)) {
    throw new ConfigError([`${file.name}: must be a mapping of fields (cluster, members, ...)`]);
  }
  const lineOf = (path: Path): number | undefined => {
    const node = document.getIn(path, true) as YamlNode | undefined;
    const start = node?.range?.[0];
    return start === undefined ? undefined : lines.linePos(start).line;
  };
  return { input: input as Record<string, unknown>, lineOf };
}

function fromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  settable: ReadonlyMap<string, Knob>,
): ConfigFlag[] {
  const pathOf = new Map([...settable.keys()].map((path) => [environmentName(path), path]));
  const flags: ConfigFlag[] = [];
  const problems: string[] = [];
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('KINDRED_') || value === undefined) continue;
    const path = pathOf.get(name);
    if (path !== undefined) flags.push({ path, value, name });
    else if (!OTHER_VARIABLES.has(name) && !FOREIGN_VARIABLES.test(name)) {
      problems.push(
        `${name}: no such setting; the variable of timeouts.request_ms is KINDRED_TIMEOUTS_REQUEST_MS. Unset it`,
      );
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return flags;
}

function readText(knob: Knob, text: string, name: string): unknown {
  if (knob.reads === 'text') return text;
  try {
    return parse(text);
  } catch (cause) {
    throw new ConfigError([`${name}: is not YAML: ${(cause as Error).message.split('\n')[0]}`], { cause });
  }
}

function assign(input: Record<string, unknown>, path: string, value: unknown): void {
  const parts = path.split('.');
  let at = input;
  for (const part of parts.slice(0, -1)) {
    const next = at[part];
    // A scalar where a section belongs stays: the form names it.
    if (next !== undefined && next !== null && typeof next !== 'object') return;
    at[part] = next ?? {};
    at = at[part] as Record<string, unknown>;
  }
  at[parts.at(-1) as string] = value;
}

/** Fills in what follows from other fields. Undefined when the node cannot be known. */
function complete(raw: RawConfig, terminal: boolean, problems: Problem[]): Config | undefined {
  const node =
    raw.node ?? (raw.members.length === 0 ? 'n1' : raw.members.length === 1 ? raw.members[0]?.id : undefined);
  if (node === undefined) {
    problems.push({
      paths: [['node']],
      message: `is missing, and members has ${raw.members.length}: say which one this is (--node ${raw.members[0]?.id})`,
    });
    return undefined;
  }
  const listed =
    raw.members.length > 0
      ? raw.members
      : [{ id: node, host: '127.0.0.1', client_port: 7400, peer_port: 7500, http_port: 7600, weight: 1 }];
  const members = listed
    .map(
      (member): MemberConfig => ({
        id: nodeId(member.id),
        host: member.host,
        clientPort: member.client_port,
        peerPort: member.peer_port,
        httpPort: member.http_port,
        zone: ('zone' in member ? member.zone : undefined) ?? member.id,
        weight: member.weight,
      }),
    )
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const own = members.find((member) => member.id === node);
  if (own === undefined) {
    problems.push({
      paths: [['node'], ['members']],
      message: `is ${node}, but members has ${members.map((member) => member.id).join(', ')}: add it there or choose one of these`,
    });
    return undefined;
  }
  const replication = raw.cluster.replication ?? Math.min(3, members.length);
  return {
    cluster: { id: raw.cluster.id, replication, partitions: raw.cluster.partitions },
    node: nodeId(node),
    members,
    buckets: bucketsOf(raw.buckets, replication),
    listen: { host: raw.listen.host ?? own.host, http2: raw.listen.http2 },
    storage: { ...camelCased(raw.storage), path: raw.storage.path ?? `./data/${node}` },
    timeouts: camelCased(raw.timeouts),
    limits: camelCased(raw.limits),
    peers: camelCased(raw.peers),
    heartbeat: camelCased(raw.heartbeat),
    failureDetector: camelCased(raw.failure_detector),
    gossip: camelCased(raw.gossip),
    hints: camelCased(raw.hints),
    background: camelCased(raw.background),
    antiEntropy: camelCased(raw.anti_entropy),
    tombstones: camelCased(raw.tombstones),
    reads: camelCased(raw.reads),
    clock: camelCased(raw.clock),
    log: { level: raw.log.level, format: raw.log.format ?? (terminal ? 'pretty' : 'json') },
  };
}

function bucketsOf(raw: readonly RawBucket[], replication: number): Bucket[] {
  const shape = checkShape({ buckets: [{ name: 'default' }] });
  const fallback = shape.kind === 'valid' ? shape.raw.buckets : [];
  const named = raw.some((bucket) => bucket.name === 'default') ? raw : [...fallback, ...raw];
  return named
    .map(
      (bucket): Bucket => ({
        name: bucket.name,
        replication: bucket.replication ?? replication,
        readLevel: bucket.read_level,
        writeLevel: bucket.write_level,
        durability: bucket.durability,
        handoff: bucket.handoff,
        conflictPolicy: bucket.conflict_policy,
        blindWrite: bucket.blind_write,
        siblingsWarn: bucket.siblings_warn,
        siblingsMax: bucket.siblings_max,
        ttlMs: bucket.ttl_ms,
        valueBytesMax: bucket.value_bytes_max,
      }),
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

type CamelCase<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S;
type CamelCased<T> = { readonly [K in keyof T & string as CamelCase<K>]: T[K] };

function camelCased<T extends object>(section: T): CamelCased<T> {
  const entries = Object.entries(section).map(([name, value]) => [
    name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
    value,
  ]);
  return Object.fromEntries(entries) as CamelCased<T>;
}

function warningsOf(config: Config): string[] {
  const warnings: string[] = [];
  const zones = new Set(config.members.map((member) => member.zone)).size;
  if (zones < config.cluster.replication && config.members.length > 1) {
    warnings.push(
      `members are in ${zones} zone${zones === 1 ? '' : 's'} and cluster.replication is ${config.cluster.replication}: copies of a key will share a zone`,
    );
  }
  if (config.storage.engine === 'memory') {
    warnings.push('storage.engine is memory: this node forgets all its data when it stops');
  }
  return warnings;
}

function withOrigin(problem: Problem, origin: Origin): string {
  const [first, second] = problem.paths;
  const also = second === undefined ? '' : ` [${pathText(second)}: ${origin(second)}]`;
  return first === undefined
    ? problem.message
    : `${origin(first)}: ${pathText(first)}: ${problem.message}${also}`;
}
