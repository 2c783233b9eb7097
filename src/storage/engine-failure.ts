/**
 * What every engine does about errors: names them in terms a person can act on, and stops for good at the first failed
 * write. After a failed fsync the kernel may have dropped the dirty pages and answer the next fsync with "ok" (fsyncgate,
 * Rebello et al., USENIX ATC 2020), so nothing that follows could be believed.
 */

import { EngineError, type EngineErrorCode } from './engine.ts';

/** Turns whatever an engine's library threw into an EngineError that says where it happened and what to do. */
export function engineError(
  cause: unknown,
  doing: string,
  path: string,
  knownCode?: EngineErrorCode,
): EngineError {
  if (cause instanceof EngineError) return cause;
  const text = describe(cause);
  const code = knownCode ?? codeOf(text);
  const advice =
    code === 'io-error' && forbidden.test(text)
      ? forbiddenAdvice
      : code === 'io-error' && noDirectory.test(text)
        ? noDirectoryAdvice
        : adviceFor(code);
  return new EngineError(code, `${doing} ${path} failed: ${text}. ${advice}`, { cause });
}

/** The message for files that do not parse; `detail` says which and how. */
export function damagedError(path: string, detail: string): EngineError {
  return new EngineError('damaged', `the store in ${path} is damaged: ${detail}. ${adviceFor('damaged')}`);
}

/** Why a store stopped, in a few words for the start of a sentence; the message of the error says the rest. */
export function stoppedBecause({ code }: EngineError): string {
  switch (code) {
    case 'set-back':
    case 'outdated':
      // The disk is well: it holds less than this node has said before.
      return 'this store may not go on';
    case 'closed':
      return 'the store is closed';
    default:
      return 'the disk failed';
  }
}

/** Whether an engine may still be used, and if not, why. One per engine. */
export class FailStop {
  readonly #path: string;
  #error: EngineError | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Throws when the engine failed before or is closed. */
  check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Records the first failure and returns it; later ones return the first, which is the one that explains the rest. */
  fail(cause: unknown, doing: string): EngineError {
    this.#error ??= engineError(cause, doing, this.#path);
    return this.#error;
  }

  /** Like `fail`, when the reason is yet to be found out: nothing gets through meanwhile. */
  async failWith(reason: Promise<unknown>, doing: string): Promise<EngineError> {
    if (this.#error !== undefined) return this.#error;
    const stopped = new EngineError('io-error', `${doing} ${this.#path} has failed`);
    this.#error = stopped;
    const error = engineError(await reason, doing, this.#path);
    if (this.#error === stopped) this.#error = error;
    return this.#error;
  }

  /** From now on everything is refused. False when it already was closed. */
  close(): boolean {
    if (this.#error?.code === 'closed') return false;
    this.#error = new EngineError('closed', `the store in ${this.#path} is closed`);
    return true;
  }
}

/** The disk is well, and this process may not write to it. */
const forbidden = /\((EROFS|EACCES|EPERM)\)|read-only file system|permission denied/i;
const forbiddenAdvice =
  'Let this user write there (owner, mode, read-only mount), or give the node another data directory';

/** Something else stands where the directory should. */
const noDirectory = /\((EEXIST|ENOTDIR)\)|not a directory/i;
const noDirectoryAdvice =
  'It is a file or lies in one: give the node another data directory (storage.path, --data)';

function describe(cause: unknown): string {
  const parts: string[] = [];
  for (let error = cause; error !== undefined && parts.length < 5; ) {
    if (!(error instanceof Error)) {
      parts.push(String(error));
      break;
    }
    const code = (error as { code?: unknown }).code;
    parts.push(typeof code === 'string' ? `${error.message} (${code})` : error.message);
    error = error.cause;
  }
  return parts.join(': ');
}

function codeOf(text: string): EngineErrorCode {
  if (/no space left|ENOSPC|MDB_MAP_FULL|disk quota exceeded|EDQUOT/i.test(text)) return 'disk-full';
  if (/LEVEL_LOCKED/.test(text)) return 'locked';
  if (
    /corruption|MDB_(CORRUPTED|INVALID|PAGE_NOTFOUND|VERSION_MISMATCH|INCOMPATIBLE|BAD_TXN|BAD_DBI)/i.test(
      text,
    )
  ) {
    return 'damaged';
  }
  if (/NOT_OPEN|closed database/.test(text)) return 'closed';
  return 'io-error';
}

function adviceFor(code: EngineErrorCode): string {
  switch (code) {
    case 'disk-full':
      return 'Make room on the disk, then start the node again: what it acknowledged is stored';
    case 'damaged':
      return (
        'Empty the data directory (or give the node another one) and start it: it returns as a new replica and is rebuilt ' +
        'from its peers. Keep a copy of the directory if this was the only replica'
      );
    case 'io-error':
      return 'Look at the disk (dmesg, smartctl), then start the node again';
    case 'locked':
    case 'other-engine':
    case 'set-back':
    case 'outdated':
    case 'closed':
      return '';
  }
}
