/** A plot of lines and points as SVG, for documents: readable as text, so that a change of figures is a change of lines. */

export interface PlotAxis {
  readonly label: string;
  /** `log`: by decades. */
  readonly scale: 'linear' | 'log';
  readonly from: number;
  readonly to: number;
  /** Where a line is drawn and a number stands. */
  readonly ticks: readonly number[];
}

export interface PlotSeries {
  /** Stands in the legend; without one the series has no place there. */
  readonly name?: string;
  readonly color: string;
  readonly style: 'line' | 'thin' | 'dashed' | 'dots';
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Plot {
  readonly title: string;
  readonly x: PlotAxis;
  readonly y: PlotAxis;
  /** Drawn one over the other. */
  readonly series: readonly PlotSeries[];
}

/** Colours that are told apart, also in grey and by those who see red and green alike. */
export const plotColors = ['#00798c', '#d1495b', '#edae49', '#30638e', '#66a182', '#8d5b9a'] as const;

const width = 640;
const height = 360;
const margin = { left: 64, right: 20, top: 40, bottom: 50 };
const legendLineHeight = 16;

/** The plot, 640 by 360, on white. */
export function linePlot({ title, x, y, series }: Plot): string {
  const atX = place(x, margin.left, width - margin.right);
  const atY = place(y, height - margin.bottom, margin.top);
  const parts: string[] = [];
  for (const tick of y.ticks) {
    parts.push(
      `<line x1="${margin.left}" x2="${width - margin.right}" y1="${short(atY(tick))}" y2="${short(atY(tick))}" stroke="#dddddd"/>`,
      text(margin.left - 8, atY(tick) + 4, tickText(tick), 'text-anchor="end"'),
    );
  }
  for (const tick of x.ticks) {
    parts.push(text(atX(tick), height - margin.bottom + 18, tickText(tick), 'text-anchor="middle"'));
  }
  for (const each of series) parts.push(...drawn(each, atX, atY));
  const named = series.filter(({ name }) => name !== undefined);
  for (const [index, { name = '', color }] of named.entries()) {
    parts.push(
      text(margin.left + 10, margin.top + 14 + index * legendLineHeight, escaped(name), `fill="${color}"`),
    );
  }
  parts.push(
    text(margin.left, 20, escaped(title), 'font-size="15"'),
    text(width / 2, height - 10, escaped(x.label), 'text-anchor="middle"'),
    text(
      16,
      height / 2,
      escaped(y.label),
      `text-anchor="middle" transform="rotate(-90 16 ${short(height / 2)})"`,
    ),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#222222">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/** An axis from 0 that holds `values`, with about `count` round ticks. */
export function linearAxis(label: string, values: readonly number[], count = 6): PlotAxis {
  const most = Math.max(1e-9, ...values);
  const power = 10 ** Math.floor(Math.log10(most / count));
  const step = power * ([1, 2, 5, 10].find((each) => each * power * count >= most) ?? 10);
  const steps = Math.ceil(most / step);
  return {
    label,
    scale: 'linear',
    from: 0,
    to: steps * step,
    ticks: Array.from({ length: steps + 1 }, (_, index) => index * step),
  };
}

/** An axis of whole decades that holds `values`, which are above 0. */
export function logAxis(label: string, values: readonly number[]): PlotAxis {
  const decade = (value: number, round: (value: number) => number): number =>
    round(Number(Math.log10(value).toFixed(9)));
  const from = decade(Math.min(...values), Math.floor);
  const to = Math.max(from + 1, decade(Math.max(...values), Math.ceil));
  return {
    label,
    scale: 'log',
    from: 10 ** from,
    to: 10 ** to,
    ticks: Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index)),
  };
}

type Place = (value: number) => number;

function place({ scale, from, to }: PlotAxis, start: number, end: number): Place {
  const along = scale === 'linear' ? (value: number): number => value : Math.log10;
  return (value) => start + ((along(value) - along(from)) / (along(to) - along(from))) * (end - start);
}

function drawn({ color, style, points }: PlotSeries, atX: Place, atY: Place): string[] {
  const dots = (radius: number, opacity: number): string[] =>
    points.map(
      ([x, y]) =>
        `<circle cx="${short(atX(x))}" cy="${short(atY(y))}" r="${radius}" fill="${color}" fill-opacity="${opacity}"/>`,
    );
  if (style === 'dots') return dots(2.5, 0.6);
  const stroke = {
    line: 'stroke-width="2"',
    thin: '',
    dashed: 'stroke-dasharray="5 4"',
  }[style];
  const path = points.map(([x, y]) => `${short(atX(x))},${short(atY(y))}`).join(' ');
  const line = `<polyline fill="none" stroke="${color}" ${stroke} points="${path}"/>`;
  return style === 'line' ? [line, ...dots(4, 1)] : [line];
}

function text(left: number, top: number, content: string, style: string): string {
  return `<text x="${short(left)}" y="${short(top)}" ${style}>${content}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

function tickText(value: number): string {
  return Number(value.toPrecision(6)).toLocaleString('en', { maximumFractionDigits: 6 });
}

function short(value: number): string {
  return value.toFixed(1);
}
