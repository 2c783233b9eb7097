/** From the command line of `kindred server` to a checked configuration. */

import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { Config } from '../config/config.ts';
import { ConfigError, type ConfigFlag, parseConfig, parseMemberFlag } from '../config/parse-config.ts';
import { collect } from './request-options.ts';
import type { Terminal } from './terminal.ts';

/** Flags of `kindred server`, by the names commander gives them. */
export interface ServerFlags {
  readonly config?: string;
  readonly node?: string;
  readonly clusterId?: string;
  readonly replication?: string;
  readonly member: readonly string[];
  readonly listen?: string;
  readonly data?: string;
  readonly engine?: string;
  readonly logLevel?: string;
  readonly logFormat?: string;
  readonly set: readonly string[];
}

/** Adds the options that set knobs. Every knob can be set with `--set`; the common ones have names of their own. */
export function addServerOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'YAML file with the configuration (default: $KINDRED_CONFIG)')
    .option('-n, --node <id>', 'which member this process is')
    .option('--cluster-id <id>', 'name that all nodes share')
    .option('--replication <count>', 'N: copies of each key')
    .addOption(
      new Option(
        '-m, --member <member>',
        'a node of the cluster: id@host[:client[:peer[:http]]][/zone][*weight]; repeat for each, this one included',
      )
        .argParser(collect)
        .default([], 'this node alone'),
    )
    .option('--listen <address>', 'address to bind (default: the host of this member)')
    .option('-d, --data <directory>', 'data directory of this node')
    .addOption(new Option('--engine <kind>', 'storage engine').choices(['lsm', 'btree', 'memory']))
    .option('--log-level <level>', 'fatal, error, warn, info, debug, trace or silent')
    .option('--log-format <format>', 'pretty or json')
    .addOption(
      new Option('-s, --set <path=value>', 'any knob: --set timeouts.request_ms=3000; repeat for more')
        .argParser(collect)
        .default([], 'none'),
    );
}

/** The arguments that mean these flags. */
export function serverArguments(flags: ServerFlags): string[] {
  const named: readonly (readonly [name: string, value: string | undefined])[] = [
    ['--config', flags.config],
    ['--node', flags.node],
    ['--cluster-id', flags.clusterId],
    ['--replication', flags.replication],
    ['--listen', flags.listen],
    ['--data', flags.data],
    ['--engine', flags.engine],
    ['--log-level', flags.logLevel],
    ['--log-format', flags.logFormat],
  ];
  return [
    ...named.flatMap(([name, value]) => (value === undefined ? [] : [name, value])),
    ...flags.member.flatMap((member) => ['--member', member]),
    ...flags.set.flatMap((setting) => ['--set', setting]),
  ];
}

/** The configuration that flags, environment and file make together. Throws ConfigError. */
export function loadConfig(
  flags: ServerFlags,
  terminal: Pick<Terminal, 'environment' | 'outIsTerminal'>,
): { readonly config: Config; readonly warnings: readonly string[] } {
  const name = flags.config ?? terminal.environment['KINDRED_CONFIG'];
  return parseConfig({
    file: name === undefined || name === '' ? undefined : { name, text: readConfigFile(name) },
    environment: terminal.environment,
    flags: configFlags(flags),
    terminal: terminal.outIsTerminal,
  });
}

function readConfigFile(name: string): string {
  try {
    return readFileSync(name, 'utf8');
  } catch (cause) {
    throw new ConfigError([`${name}: cannot be read: ${(cause as Error).message}`], { cause });
  }
}

function configFlags(flags: ServerFlags): ConfigFlag[] {
  const named: readonly (readonly [path: string, value: string | undefined, name: string])[] = [
    ['node', flags.node, '--node'],
    ['cluster.id', flags.clusterId, '--cluster-id'],
    ['cluster.replication', flags.replication, '--replication'],
    ['listen.host', flags.listen, '--listen'],
    ['storage.path', flags.data, '--data'],
    ['storage.engine', flags.engine, '--engine'],
    ['log.level', flags.logLevel, '--log-level'],
    ['log.format', flags.logFormat, '--log-format'],
  ];
  const result: ConfigFlag[] = [];
  for (const setting of flags.set) {
    const split = setting.indexOf('=');
    if (split < 1)
      throw new ConfigError([`--set ${setting}: must be path=value, as timeouts.request_ms=3000`]);
    const path = setting.slice(0, split);
    result.push({ path, value: setting.slice(split + 1), name: `--set ${path}` });
  }
  for (const [path, value, name] of named) if (value !== undefined) result.push({ path, value, name });
  if (flags.member.length > 0) {
    result.push({ path: 'members', value: flags.member.map(parseMemberFlag), name: '--member' });
  }
  return result;
}
