/** Waiting for what somebody else settles, or for time, until a signal is aborted. */

/** A promise with the functions that settle it. (Node 20 has no `Promise.withResolvers`.) */
export interface Deferred<Result> {
  readonly promise: Promise<Result>;
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
}

export function deferred<Result = void>(): Deferred<Result> {
  let resolve!: (result: Result) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<Result>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/** Resolves when `promise` does, when `signal` is aborted or when the time is over, whichever is first. */
export async function resolvedOrAborted(
  promise: Promise<unknown>,
  signal: AbortSignal,
  withinMs: number = Number.POSITIVE_INFINITY,
): Promise<void> {
  if (signal.aborted) return;
  const ended = deferred();
  const end = (): void => ended.resolve();
  signal.addEventListener('abort', end, { once: true });
  const timer = Number.isFinite(withinMs) ? setTimeout(end, withinMs) : undefined;
  try {
    await Promise.race([promise, ended.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}

/** Resolves after this time, or earlier when `signal` is aborted. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await resolvedOrAborted(deferred().promise, signal, milliseconds);
}
