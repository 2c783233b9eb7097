/** Durations as people write them: `500ms`, `30s`, `5m`, `1h`, `7d`, `1h30m`. */

import { UsageError } from './terminal.ts';

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds. A bare number is refused: nobody knows whether it means seconds. */
export function parseDurationMs(text: string, what: string): number {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) {
    throw new UsageError(
      `${what} is "${text}", but must be a number with a unit: 500ms, 30s, 5m, 1h, 7d, 1h30m`,
    );
  }
  let totalMs = 0;
  for (const [, amount, , unit] of text.matchAll(/(\d+(\.\d+)?)(ms|s|m|h|d)/g)) {
    totalMs += Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  const rounded = Math.round(totalMs);
  if (rounded < 1) throw new UsageError(`${what} is "${text}", but must be at least 1ms`);
  if (rounded > 3650 * UNIT_MS.d) throw new UsageError(`${what} is "${text}", but must be at most 3650d`);
  return rounded;
}

/** For people, in the two largest units that matter: `3d 4h`, `12s`, `350ms`. */
export function formatDurationMs(durationMs: number): string {
  const ms = Math.abs(Math.round(durationMs));
  const sign = durationMs < 0 && ms > 0 ? '-' : '';
  if (ms < 1000) return `${sign}${ms}ms`;
  const parts: string[] = [];
  let rest = Math.round(ms / 1000);
  for (const [unit, seconds] of [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    const amount = Math.floor(rest / seconds);
    rest -= amount * seconds;
    if (amount > 0) parts.push(`${amount}${unit}`);
  }
  return `${sign}${parts.slice(0, 2).join(' ')}`;
}
