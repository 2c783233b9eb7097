/** The logs of several nodes as one that people can read: JSON lines in, one coloured line each out. */

import type picocolors from 'picocolors';

/** Functions that colour text, or leave it as it is. */
export type Colors = ReturnType<typeof picocolors.createColors>;

/** Turns the lines of one node into lines of the merged log. */
export type LineFormatter = (line: string) => string;

/** Longer lines are cut: one node must not fill the terminal. */
const LINE_LENGTH_MAX = 4000;

/** A formatter for the node `id`; `index` gives it its colour, `width` is that of the longest id. */
export function lineFormatter(
  id: string,
  options: { readonly index: number; readonly width: number; readonly colors: Colors },
): LineFormatter {
  const { colors } = options;
  const palette = [colors.cyan, colors.magenta, colors.yellow, colors.green, colors.blue, colors.red];
  const paint = palette[options.index % palette.length] as (text: string) => string;
  const prefix = `${paint(id.padEnd(options.width))} ${colors.dim('|')} `;
  return (line) => prefix + formatLine(line.slice(0, LINE_LENGTH_MAX), colors);
}

function formatLine(line: string, colors: Colors): string {
  const event = parseEvent(line);
  if (event === undefined) return line;
  const { time, level, msg, node: _node, error, err, ...fields } = event;
  const clock = typeof time === 'string' ? `${colors.dim(time.slice(11, 23))} ` : '';
  const name =
    typeof level === 'string' ? `${levelPaint(level, colors)(level.toUpperCase().padEnd(5))} ` : '';
  const rest = Object.entries(fields)
    .map(
      ([field, value]) =>
        ` ${colors.dim(`${field}=`)}${typeof value === 'string' ? value : JSON.stringify(value)}`,
    )
    .join('');
  const failure = messageOf(error ?? err);
  return `${clock}${name}${String(msg ?? '')}${rest}${failure === '' ? '' : colors.red(` error="${failure}"`)}`;
}

function parseEvent(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    // Not ours (a library printed it): shown as it came.
    return undefined;
  }
}

function messageOf(error: unknown): string {
  if (typeof error === 'string') return error;
  if (typeof error !== 'object' || error === null) return '';
  return 'message' in error ? String(error.message) : JSON.stringify(error);
}

function levelPaint(level: string, colors: Colors): (text: string) => string {
  switch (level) {
    case 'fatal':
    case 'error':
      return colors.red;
    case 'warn':
      return colors.yellow;
    case 'info':
      return colors.green;
    default:
      return colors.dim;
  }
}
