/** What a command sees of the process it runs in, so that tests can hand it another one. */

import type { Readable } from 'node:stream';

/** Standard streams, environment, and the width to print for. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  /** Answers go here, and nothing else. */
  out(text: string | Uint8Array): void;
  /** Notes and errors for people go here. */
  err(text: string): void;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  /** Columns to print for. */
  readonly columns: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** The terminal of this process. */
export function processTerminal(): Terminal {
  return {
    stdin: process.stdin,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    outIsTerminal: process.stdout.isTTY === true,
    errIsTerminal: process.stderr.isTTY === true,
    // Some terminals say 0.
    columns: process.stdout.columns || 100,
    environment: process.env,
  };
}

/** Bounds what is read from a pipe: more than any value may have. */
const INPUT_BYTES_MAX = 16 * 1024 * 1024;

/** All of standard input. Throws UsageError when it is longer than any value may be. */
export async function readStdin(terminal: Terminal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of terminal.stdin) {
    const bytes = typeof chunk === 'string' ? new TextEncoder().encode(chunk) : (chunk as Uint8Array);
    length += bytes.length;
    if (length > INPUT_BYTES_MAX)
      throw new UsageError(`standard input is longer than ${INPUT_BYTES_MAX} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

/** The command line asks for something that cannot be: nothing was sent. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
