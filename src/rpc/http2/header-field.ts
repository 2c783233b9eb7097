/** One header field as HPACK stores it (RFC 7541, 4.1), and whether a request may have it (RFC 9113, 8.2). */

/**
 * `pseudo`: one of those of a request. `malformed`: no request may have it. Told once, when the field is made: a field of
 * the static or the dynamic table comes with every call.
 */
export type FieldKind = 'pseudo' | 'regular' | 'malformed';

export class HeaderField {
  readonly name: string;
  readonly value: string;
  readonly kind: FieldKind;

  constructor(name: string, value: string) {
    this.name = name;
    this.value = value;
    this.kind = kindOf(name, value);
  }

  /** What it counts in a table and in a list: its bytes and 32. */
  get size(): number {
    return this.name.length + this.value.length + 32;
  }
}

const colon = 0x3a;
const space = 0x20;
const tab = 0x09;

/** Hop by hop in HTTP/1.1, and forbidden here (8.2.2). */
const connectionSpecific: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);
const requestPseudo: ReadonlySet<string> = new Set([':method', ':scheme', ':path', ':authority']);

function kindOf(name: string, value: string): FieldKind {
  if (!isValue(value)) return 'malformed';
  if (name.charCodeAt(0) === colon) return requestPseudo.has(name) ? 'pseudo' : 'malformed';
  if (!isName(name) || connectionSpecific.has(name)) return 'malformed';
  if (name === 'te' && value !== 'trailers') return 'malformed';
  return 'regular';
}

/** 8.2.1: visible ASCII, without upper case and colons. */
function isName(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code <= space || code >= 0x7f || code === colon || (code >= 0x41 && code <= 0x5a)) return false;
  }
  return name.length > 0;
}

/** 8.2.1: no NUL, CR or LF, and no white space at the ends. */
function isValue(value: string): boolean {
  const { length } = value;
  if (length === 0) return true;
  if (isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(length - 1))) return false;
  for (let i = 0; i < length; i++) {
    const code = value.charCodeAt(i);
    if (code <= 0x0d && (code === 0 || code === 0x0a || code === 0x0d)) return false;
  }
  return true;
}

function isBlank(code: number): boolean {
  return code === space || code === tab;
}
