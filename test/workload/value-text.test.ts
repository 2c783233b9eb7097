import { expect, test } from 'vitest';
import { valueBytes, valueText } from './value-text.ts';

test('a value comes back as its text, whatever its length', () => {
  for (const length of [0, 1, 8, 9, 12, 13, 14, 300, 6_000]) {
    const data = valueBytes('c1/17', length);
    expect(valueText(data)).toBe('c1/17');
    expect(data.length).toBe(length < 9 ? 5 : length);
  }
});

test('damage, lost bytes and a tail of another value show', () => {
  const data = valueBytes('c1/17', 600);
  for (const at of [0, 4, 7, 100, 599]) {
    const damaged = Uint8Array.from(data);
    damaged[at] = (damaged[at] as number) ^ 1;
    expect(valueText(damaged)).not.toBe('c1/17');
  }
  expect(valueText(data.subarray(0, 500))).not.toBe('c1/17');
  const mixed = Uint8Array.from(data);
  mixed.set(data.subarray(0, 256), 256);
  expect(valueText(mixed)).not.toBe('c1/17');
});

test('bytes that no client made are what they are', () => {
  expect(valueText(Buffer.from('hello'))).toBe('hello');
  expect(valueText(new Uint8Array())).toBe('');
});
