/** The tables of HPACK (RFC 7541, 2.3 and appendix A): fields by index, the static ones first. */

import { HeaderField } from './header-field.ts';

/** Index 1 and up. Fixed by the RFC. */
export const staticTable: readonly HeaderField[] = [
  ':authority',
  ':method=GET',
  ':method=POST',
  ':path=/',
  ':path=/index.html',
  ':scheme=http',
  ':scheme=https',
  ':status=200',
  ':status=204',
  ':status=206',
  ':status=304',
  ':status=400',
  ':status=404',
  ':status=500',
  'accept-charset',
  'accept-encoding=gzip, deflate',
  'accept-language',
  'accept-ranges',
  'accept',
  'access-control-allow-origin',
  'age',
  'allow',
  'authorization',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'etag',
  'expect',
  'expires',
  'from',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'link',
  'location',
  'max-forwards',
  'proxy-authenticate',
  'proxy-authorization',
  'range',
  'referer',
  'refresh',
  'retry-after',
  'server',
  'set-cookie',
  'strict-transport-security',
  'transfer-encoding',
  'user-agent',
  'vary',
  'via',
  'www-authenticate',
].map((text) => {
  const [name, ...value] = text.split('=');
  return new HeaderField(name as string, value.join('='));
});

/** SETTINGS_HEADER_TABLE_SIZE where nothing else was said; this server never says anything else. */
export const tableBytesMax = 4096;
/** No field counts less than 32: so many fit. A power of two. */
const entriesMax = tableBytesMax / 32;

/** The dynamic table of a decoder. */
export class DynamicTable {
  /** A ring: `#newest` is the place of the last that was added. */
  readonly #entries: (HeaderField | undefined)[] = new Array<HeaderField | undefined>(entriesMax);
  #newest = 0;
  #count = 0;
  #bytes = 0;
  #bytesMax = tableBytesMax;

  /** The field of an index beyond the static table, counted from 0. */
  at(index: number): HeaderField | undefined {
    return index < this.#count ? this.#entries[(this.#newest - index) & (entriesMax - 1)] : undefined;
  }

  add(field: HeaderField): void {
    // A field that is larger than the table empties it, and is no error (4.4).
    this.#shrinkTo(this.#bytesMax - field.size);
    if (field.size > this.#bytesMax) return;
    this.#newest = (this.#newest + 1) & (entriesMax - 1);
    this.#entries[this.#newest] = field;
    this.#count++;
    this.#bytes += field.size;
  }

  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#shrinkTo(bytesMax);
  }

  #shrinkTo(bytes: number): void {
    while (this.#count > 0 && this.#bytes > bytes) {
      const oldest = (this.#newest - this.#count + 1) & (entriesMax - 1);
      this.#bytes -= (this.#entries[oldest] as HeaderField).size;
      this.#entries[oldest] = undefined;
      this.#count--;
    }
  }
}
