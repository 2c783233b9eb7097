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

/** Resolves when `promise` does or when `signal` is aborted, whichever is first. */
export async function resolvedOrAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const aborted = deferred();
  const onAbort = (): void => aborted.resolve();
  if (signal.aborted) return;
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Resolves after this time, or earlier when `signal` is aborted. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  const passed = deferred();
  const timer = setTimeout(passed.resolve, milliseconds);
  try {
    await resolvedOrAborted(passed.promise, signal);
  } finally {
    clearTimeout(timer);
  }
}
