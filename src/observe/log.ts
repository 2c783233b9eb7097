/** The log of a node: JSON lines for machines, one readable line per event for a terminal. */

import { Writable } from 'node:stream';
import pino from 'pino';
import pretty from 'pino-pretty';

/** Writes events. `logger.info({ peer }, 'peer is back')`: fields first, then a sentence without values in it. */
export type Logger = pino.Logger;

/** Where lines go: anything with a `write`. Default: standard output. */
export interface LogTarget {
  write(line: string): unknown;
}

/** What is written, and in which form. */
export interface LogOptions {
  readonly level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  readonly format: 'pretty' | 'json';
}

/**
 * A logger whose every line carries the node's id. Lines are written before the call returns, so that the last words of
 * a process that dies are not lost.
 */
export function createLogger(
  config: LogOptions,
  options: { readonly node: string; readonly target?: LogTarget; readonly color?: boolean },
): Logger {
  const settings: pino.LoggerOptions = {
    level: config.level,
    base: { node: options.node },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.errWithCause, err: pino.stdSerializers.errWithCause },
  };
  if (config.format === 'json') return pino(settings, options.target ?? pino.destination({ sync: true }));
  const stream = pretty({
    colorize: options.color ?? (options.target === undefined && process.stdout.isTTY === true),
    ignore: 'node',
    messageFormat: '{node}: {msg}',
    translateTime: 'SYS:HH:MM:ss.l',
    errorLikeObjectKeys: ['error', 'err'],
    singleLine: true,
    sync: true,
    ...(options.target !== undefined && { destination: asStream(options.target) }),
  });
  return pino(settings, stream);
}

/** A logger that writes nothing: for tests and tools. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}

function asStream(target: LogTarget): NodeJS.WritableStream {
  return new Writable({
    decodeStrings: false,
    write(chunk: string | Uint8Array, _encoding, done) {
      target.write(typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk));
      done();
    },
  });
}
