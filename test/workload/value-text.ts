/**
 * What a client stores: a short unique text that names the write, filled up to a size. The history knows a value by the
 * text alone; a value whose filling is not as it was written shows as what was found, which no write ever wrote.
 */

/** Between the text and what fills it up. Not part of any text. */
const mark = '~';
/** A prime, so that a filling that slipped by a power of two is noticed. */
const period = 251;

/** The bytes to store for a text, filled up to `bytes` where the text is shorter. */
export function valueBytes(text: string, bytes: number): Uint8Array {
  const head = `${text}${mark}${bytes}${mark}`;
  if (head.length >= bytes) return Buffer.from(text, 'latin1');
  const data = Buffer.allocUnsafe(bytes);
  data.write(head, 0, 'latin1');
  for (let i = head.length; i < bytes; i++) data[i] = i % period;
  return data;
}

/** The text that the bytes were made from. Of bytes that `valueBytes` never made: all of them, as text. */
export function valueText(data: Uint8Array): string {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const end = bytes.indexOf(mark, 0, 'latin1');
  if (end < 0) return bytes.toString('latin1');
  const text = bytes.toString('latin1', 0, end);
  const head = `${text}${mark}${bytes.length}${mark}`;
  if (bytes.toString('latin1', 0, head.length) !== head) return bytes.toString('latin1');
  for (let i = head.length; i < bytes.length; i++) {
    if (bytes[i] !== i % period) return bytes.toString('latin1');
  }
  return text;
}
