/** Keys and values are bytes; people type and read text. How one becomes the other, and what may reach a terminal. */

import { UsageError } from './terminal.ts';

/** How bytes are written on the command line. */
export type ByteEncoding = 'text' | 'base64' | 'hex';

/** Bytes in JSON answers: always base64, and the text where they are valid UTF-8. */
export interface JsonBytes {
  readonly base64: string;
  readonly text?: string;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The bytes that `text` stands for. `what` names it in the message of a UsageError. */
export function parseBytes(text: string, encoding: ByteEncoding, what: string): Uint8Array {
  switch (encoding) {
    case 'text':
      return new TextEncoder().encode(text);
    case 'hex':
      if (!/^([0-9a-fA-F]{2})*$/.test(text)) throw new UsageError(`${what} is not hex: pairs of 0-9, a-f`);
      return Buffer.from(text, 'hex');
    case 'base64':
      return parseBase64(text, what);
  }
}

/** Takes base64 and base64url, with or without padding. */
export function parseBase64(text: string, what: string): Uint8Array {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text) || text.replace(/=+$/, '').length % 4 === 1) {
    throw new UsageError(`${what} is not base64`);
  }
  return Buffer.from(text, 'base64');
}

/** How contexts and request ids are shown: no character in it needs quoting in a shell or a URL. */
export function toBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}

/** The text, or `undefined` when the bytes are not UTF-8. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Bytes for a JSON answer. */
export function toJsonBytes(bytes: Uint8Array): JsonBytes {
  const text = decodeText(bytes);
  const base64 = Buffer.from(bytes).toString('base64');
  return text === undefined ? { base64 } : { base64, text };
}

/** Bytes written in `encoding`. */
export function formatBytes(bytes: Uint8Array, encoding: 'base64' | 'hex'): string {
  return Buffer.from(bytes).toString(encoding);
}

/** Whether the text may go to a terminal as it is: no control character but line ends and tabs, which could move the cursor. */
export function isPlainText(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return !/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(text);
}

/** `1 byte`, `20 bytes`. */
export function bytesText(count: number): string {
  return `${count} ${count === 1 ? 'byte' : 'bytes'}`;
}

/** Bytes for people, on one line: quoted text, or hex, cut to about `length` characters with the size told. */
export function previewBytes(bytes: Uint8Array, length = 60): string {
  const text = decodeText(bytes);
  const whole = text === undefined ? `0x${formatBytes(bytes, 'hex')}` : quote(text);
  if (whole.length <= length) return whole;
  return `${[...whole].slice(0, length - 1).join('')}… (${bytesText(bytes.length)})`;
}

function quote(text: string): string {
  // JSON leaves the C1 controls and DEL as they are, and terminals obey some of them.
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
