/** The headers of a request, checked (RFC 9113, 8.2 and 8.3), and remembered: calls of one client say mostly the same. */

import type { HeaderField } from './header-field.ts';
import type { HpackDecoder } from './hpack-decoder.ts';

export interface RequestHead {
  readonly fields: readonly HeaderField[];
  readonly method: string;
  /** Empty for CONNECT. */
  readonly path: string;
  readonly contentLength: number | undefined;
  /** What the server has found out about requests with this head. */
  plan?: unknown;
}

/** Why a block is no head. */
export type HeadFault = 'too-large' | 'malformed';

/** Longer blocks are not remembered. */
const blockBytesMax = 512;
const blocksMax = 64;

/** Reads blocks of requests. A block that came before, and meant the same, is not decoded again. */
export class HeadReader {
  readonly #decoder: HpackDecoder;
  /** Heads by block, as Latin-1, while the dynamic table stays as it is. */
  readonly #known = new Map<string, RequestHead>();
  #generation = 0;

  constructor(decoder: HpackDecoder) {
    this.#decoder = decoder;
  }

  read(bytes: Buffer, start: number, end: number): RequestHead | HeadFault {
    const decoder = this.#decoder;
    if (this.#generation !== decoder.generation) {
      this.#generation = decoder.generation;
      if (this.#known.size > 0) this.#known.clear();
    }
    const isShort = end - start <= blockBytesMax;
    const key = isShort ? bytes.toString('latin1', start, end) : '';
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const fields = decoder.decode(bytes, start, end);
    if (fields === undefined) return 'too-large';
    const head = headOf(fields);
    if (head === undefined) return 'malformed';
    // A block that has changed the table means something else when it comes again.
    if (isShort && this.#generation === decoder.generation) {
      if (this.#known.size >= blocksMax) this.#known.clear();
      this.#known.set(key, head);
    }
    return head;
  }
}

/** 8.1: trailers have no pseudo-headers. */
export function areTrailers(fields: readonly HeaderField[]): boolean {
  return fields.every(({ kind }) => kind === 'regular');
}

function headOf(fields: readonly HeaderField[]): RequestHead | undefined {
  let method: string | undefined;
  let scheme: string | undefined;
  let path: string | undefined;
  let authority: string | undefined;
  let contentLength: number | undefined;
  let isRegular = false;
  for (const { kind, name, value } of fields) {
    if (kind === 'regular') {
      isRegular = true;
      if (name !== 'content-length') continue;
      const length = /^\d{1,15}$/.test(value) ? Number(value) : undefined;
      if (length === undefined || (contentLength !== undefined && contentLength !== length)) return undefined;
      contentLength = length;
      continue;
    }
    // 8.3: pseudo-headers come first, and once.
    if (kind === 'malformed' || isRegular) return undefined;
    if (name === ':method') {
      if (method !== undefined) return undefined;
      method = value;
    } else if (name === ':path') {
      if (path !== undefined) return undefined;
      path = value;
    } else if (name === ':scheme') {
      if (scheme !== undefined) return undefined;
      scheme = value;
    } else {
      if (authority !== undefined) return undefined;
      authority = value;
    }
  }
  if (method === undefined || method === '') return undefined;
  if (method === 'CONNECT') {
    // 8.5
    if (scheme !== undefined || path !== undefined || authority === undefined) return undefined;
    return { fields, method, path: '', contentLength };
  }
  if (scheme === undefined || path === undefined) return undefined;
  if (!path.startsWith('/') && !(method === 'OPTIONS' && path === '*')) return undefined;
  return { fields, method, path, contentLength };
}
