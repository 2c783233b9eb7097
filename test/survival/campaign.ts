/** What a survival campaign is, and what it says at its end: figures, each with what was promised. */

/** One thing that was measured. */
export interface Figure {
  readonly what: string;
  /** For a person, with its unit. */
  readonly measured: string;
  /** For a person; empty: shown, and not judged. */
  readonly promised: string;
  readonly kept: boolean;
}

export interface CampaignOptions {
  readonly nodes: number;
  readonly engine: 'lsm' | 'btree';
  /** How long the fault of the campaign lasts, where it lasts. */
  readonly seconds: number;
  /** How many keys, where it is about keys. */
  readonly keys: number;
  readonly rounds: number;
  readonly seed: number;
  /** Hears a line at a time what is going on. */
  readonly say: (line: string) => void;
}

export interface Campaign {
  readonly name: string;
  readonly describes: string;
  /** In the full size. */
  readonly defaults: Pick<CampaignOptions, 'seconds' | 'keys' | 'rounds'>;
  run(options: CampaignOptions): Promise<readonly Figure[]>;
}

/** A figure that must be at most so much. */
export function atMost(what: string, value: number, limit: number, unit: string, digits = 1): Figure {
  return {
    what,
    measured: withUnit(value, unit, digits),
    promised: `at most ${withUnit(limit, unit, digits)}`,
    kept: value <= limit,
  };
}

/** A figure that must be at least so much: that a campaign has done something. */
export function atLeast(what: string, value: number, limit: number, unit: string, digits = 0): Figure {
  return {
    what,
    measured: withUnit(value, unit, digits),
    promised: `at least ${withUnit(limit, unit, digits)}`,
    kept: value >= limit,
  };
}

/** A figure that is shown, and not judged. */
export function shown(what: string, value: number | string, unit = '', digits = 0): Figure {
  return {
    what,
    measured: typeof value === 'number' ? withUnit(value, unit, digits) : value,
    promised: '',
    kept: true,
  };
}

/** The figures of one campaign as a table in Markdown. */
export function figureTable(name: string, figures: readonly Figure[]): string {
  const rows = [
    [name, 'measured', 'promised', ''],
    ...figures.map(({ what, measured, promised, kept }) => [
      what,
      measured,
      promised,
      kept ? (promised === '' ? '' : 'kept') : 'BROKEN',
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => (row[column] as string).length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |`;
  const ruler = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  const [head, ...body] = rows;
  return [line(head as string[]), ruler, ...body.map(line), ''].join('\n');
}

function withUnit(value: number, unit: string, digits: number): string {
  const text = value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return unit === '' ? text : `${text} ${unit}`;
}
