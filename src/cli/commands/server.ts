/** `kindred server`: one node in this process, from start to a clean stop. */

import { type Command, Option } from 'commander';
import { asWritten, type Config, canonicalConfiguration } from '../../config/config.ts';
import { ConfigError } from '../../config/parse-config.ts';
import type { Logger } from '../../observe/log.ts';
import { SERVER_EXIT } from '../exit-code.ts';
import { countBuffersWithHeap } from '../external-memory.ts';
import { HostNodes, planHostNodes } from '../host-nodes.ts';
import type { CommandContext } from '../run-command.ts';
import { addServerOptions, loadConfig, type ServerFlags } from '../server-settings.ts';
import type { Terminal } from '../terminal.ts';

/** After the drain bound, this much is left for closing stores before the process ends all the same. */
const CLOSE_GRACE_MS = 5000;

/** Adds the command to `program`. */
export function addServerCommand(program: Command, context: CommandContext): void {
  const command = addServerOptions(
    program
      .command('server')
      .description('run one node of a cluster in this process; SIGTERM drains and stops it'),
  )
    .option(
      '--nodes <ids>',
      'in place of --node: several members on this host (n1,n2), each in a process of its own, started again when one ends; they must share a zone',
    )
    .option('--print-config', 'print the configuration that results, as a file could say it (JSON), and exit')
    .option('--print-agreement', 'print what all nodes must agree on, as canonical JSON, and exit')
    .addOption(new Option('--exit-with-parent', 'stop when the IPC channel to the parent closes').hideHelp());
  command.action(
    async (
      flags: ServerFlags & {
        nodes?: string;
        printConfig?: boolean;
        printAgreement?: boolean;
        exitWithParent?: boolean;
      },
    ) => {
      const { terminal } = context;
      if (flags.nodes !== undefined) {
        context.exit(await runHost(flags.nodes, flags, terminal));
        return;
      }
      let loaded: { readonly config: Config; readonly warnings: readonly string[] };
      try {
        loaded = loadConfig(flags, terminal);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        terminal.err(`${error.message}\n`);
        context.exit(SERVER_EXIT.usage);
        return;
      }
      if (flags.printConfig === true || flags.printAgreement === true) {
        const { config } = loaded;
        const text =
          flags.printConfig === true
            ? JSON.stringify(asWritten(config), null, 2)
            : canonicalConfiguration(config);
        terminal.out(`${text}\n`);
        for (const warning of loaded.warnings) terminal.err(`warning: ${warning}\n`);
        return;
      }
      // Storage, gRPC and metrics take a while to load: not for --help, completion or a refused configuration.
      const { createLogger } = await import('../../observe/log.ts');
      const log = createLogger(loaded.config.log, { node: loaded.config.node });
      for (const warning of loaded.warnings) log.warn(warning);
      context.exit(await runNode(loaded.config, log, flags.exitWithParent === true));
    },
  );
}

/** Starts the nodes of this host, and waits until all have stopped. Returns the exit code. */
async function runHost(ids: string, { nodes: _, ...flags }: HostFlags, terminal: Terminal): Promise<number> {
  let host: HostNodes;
  try {
    const planned = planHostNodes(
      ids.split(',').map((id) => id.trim()),
      flags,
      terminal,
    );
    host = new HostNodes(planned, { line: (line) => terminal.out(`${line}\n`) });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    terminal.err(`${error.message}\n`);
    return SERVER_EXIT.usage;
  }
  let signals = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      signals++;
      if (signals > 1) process.exit(SERVER_EXIT.killed);
      host.stop();
    });
  }
  return await host.run();
}

type HostFlags = ServerFlags & { readonly nodes?: string };

/** Starts the node and waits until it has stopped, whatever made it stop. Returns the exit code. */
async function runNode(config: Config, log: Logger, exitWithParent: boolean): Promise<number> {
  countBuffersWithHeap();
  const { Node } = await import('../../node.ts');
  const asked = Promise.withResolvers<string>();
  let signals = 0;
  const onSignal = (signal: string): void => {
    signals++;
    if (signals > 1) {
      log.warn({ signal }, 'second signal: exiting at once; unfinished requests are lost');
      process.exit(SERVER_EXIT.killed);
    }
    asked.resolve(signal);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  process.on('SIGHUP', onSignal);
  if (exitWithParent) process.once('disconnect', () => asked.resolve('the parent process ended'));

  let node: Awaited<ReturnType<typeof Node.start>>;
  try {
    node = await Node.start(config, { log, processMetrics: true });
  } catch (error) {
    const code = exitCodeOf(error as Error);
    tellFatal(log, error as Error, 'the node could not start', code, startAdvice(error as Error, config));
    return code;
  }
  const reason = await Promise.race([asked.promise, node.failed]);
  let code: number = SERVER_EXIT.ok;
  if (typeof reason !== 'string') {
    code = exitCodeOf(reason);
    tellFatal(log, reason, 'the node has failed and stops', code, 'nothing is acknowledged after this');
  } else log.info({ reason }, 'stopping: finishing what is in flight');

  const deadlineMs = config.timeouts.drainMs;
  const tooLong = setTimeout(() => {
    log.error({ waitedMs: deadlineMs + CLOSE_GRACE_MS }, 'stopping took too long: exiting as it is');
    process.exit(code === SERVER_EXIT.ok ? SERVER_EXIT.failed : code);
  }, deadlineMs + CLOSE_GRACE_MS);
  try {
    await node.stop({ deadlineMs });
    log.info('stopped');
    return code;
  } catch (error) {
    log.error({ error }, 'stopping failed');
    return code === SERVER_EXIT.ok ? exitCodeOf(error as Error) : code;
  } finally {
    clearTimeout(tooLong);
  }
}

const CAUSES_MAX = 10;

/** Looks through the causes of an error for what an operator can act on. */
export function exitCodeOf(error: Error): number {
  let at: unknown = error;
  for (let depth = 0; depth < CAUSES_MAX && at instanceof Error; depth++) {
    const code = (at as NodeJS.ErrnoException).code;
    if (at.name === 'ConfigError') return SERVER_EXIT.usage;
    if (at.name === 'EngineError' || at.name === 'IdentityError') return SERVER_EXIT.storage;
    if (code === 'EADDRINUSE' || code === 'EADDRNOTAVAIL' || code === 'address-unavailable')
      return SERVER_EXIT.portInUse;
    if (at.message.includes('EADDRINUSE')) return SERVER_EXIT.portInUse;
    // `listen` is refused so for ports below 1024.
    if (code === 'EACCES' && (at as NodeJS.ErrnoException).syscall === 'listen') return SERVER_EXIT.portInUse;
    if (code === 'ENOSPC' || code === 'EROFS' || code === 'EIO') return SERVER_EXIT.storage;
    at = at.cause;
  }
  return SERVER_EXIT.failed;
}

/** What an operator can act on is told in its own words; where in the code it came up is for defects, and for debugging. */
function tellFatal(log: Logger, error: Error, what: string, exitCode: number, advice: string): void {
  if (exitCode === SERVER_EXIT.failed) {
    log.fatal({ error, exitCode }, what);
    return;
  }
  const { message } = error;
  log.fatal({ exitCode }, [`${what}: ${message}`, advice].filter((part) => part !== '').join('; '));
  log.debug({ error }, 'where it failed');
}

/** What to change, where the error itself does not say it. */
export function startAdvice(error: Error, config: Config): string {
  if (exitCodeOf(error) !== SERVER_EXIT.portInUse) return '';
  const own = config.members.find((member) => member.id === config.node);
  const ports = `${own?.clientPort}, ${own?.peerPort}, ${own?.httpPort}`;
  const { host } = config.listen;
  const text = textOf(error);
  if (/EADDRNOTAVAIL|ENOTFOUND|EAI_/.test(text))
    return `${host} is no address of this machine: set listen.host (--listen) to one that is, or to 0.0.0.0`;
  if (/EACCES/.test(text))
    return `this user may not listen on one of the ports ${ports}: choose ports from 1024 on for members.${config.node}`;
  return `one of the ports ${ports} on ${host} is in use; stop what holds it or change the ports of members.${config.node}`;
}

/** Codes and messages of an error and its causes. */
function textOf(error: Error): string {
  const parts: string[] = [];
  let at: unknown = error;
  for (let depth = 0; depth < CAUSES_MAX && at instanceof Error; depth++) {
    parts.push(String((at as NodeJS.ErrnoException).code), at.message);
    at = at.cause;
  }
  return parts.join(' ');
}
