/** How violations speak: attempts by id and time, so that a person finds them in the trace. */

import type { Attempt, KeyHistory, Violation, WriteAttempt } from './history.ts';

/** `put 12 of "v3" by ann through n2 (QUORUM, 40-55 ms)`. */
export function attemptText(attempt: Attempt): string {
  const { id, client, node, level, invokedMs, returnedMs } = attempt;
  const until = returnedMs === Number.POSITIVE_INFINITY ? 'never answered' : `${returnedMs} ms`;
  return `${whatText(attempt)} ${id}${valueText(attempt)} by ${client} through ${node} (${level.toUpperCase()}, ${invokedMs} ms - ${until})`;
}

function whatText(attempt: Attempt): string {
  if (attempt.kind === 'write') return attempt.action;
  return attempt.final ? 'final read' : 'read';
}

function valueText(attempt: Attempt): string {
  return attempt.kind === 'write' && attempt.value !== undefined ? ` of "${attempt.value}"` : '';
}

/** Several attempts in one list: `put 3, put 5`. */
export function attemptsText(attempts: readonly WriteAttempt[]): string {
  return attempts.map((attempt) => `${attempt.action} ${attempt.id}`).join(', ');
}

export function violationOf(
  checker: string,
  key: KeyHistory,
  attempts: readonly Attempt[],
  atMs: number,
  message: string,
): Violation {
  const ids = [...new Set(attempts.map((attempt) => attempt.id))];
  return { checker, message, bucket: key.bucket, key: key.key, attempts: ids, atMs };
}
