// biome-ignore-all lint/suspicious/noTemplateCurlyInString: so cases name variables

import { expect, test } from 'vitest';
import { Variables } from './template.ts';

const text = (base64: unknown): string => Buffer.from(String(base64), 'base64').toString();

test('keys are the own of a case, data is text, and both are base64', () => {
  const filled = new Variables('case 1/').fill({ key: 'a', value: { data: 'hello' }, contentType: 'text' });
  expect(filled).toEqual({
    key: Buffer.from('case 1/a').toString('base64'),
    value: { data: Buffer.from('hello').toString('base64') },
    contentType: 'text',
  });
  expect(new Variables('case 1/').fill({ key: '' })).toEqual({ key: '' });
});

test('variables hold anything, and are named within texts', () => {
  const variables = new Variables('');
  variables.set('dot', { counter: '1' });
  variables.set('name', 'Ann');
  expect(variables.fill({ dot: '$dot', text: 'by ${name}' })).toEqual({
    dot: { counter: '1' },
    text: 'by Ann',
  });
  expect(() => variables.fill('$nobody')).toThrow('$nobody');
});

test('lists count', () => {
  const filled = new Variables('').fill({ $list: 3, of: { key: 'k${i}', name: '${i}' } });
  expect((filled as { key: string; name: string }[]).map(({ key, name }) => [text(key), name])).toEqual([
    ['k0', '0'],
    ['k1', '1'],
    ['k2', '2'],
  ]);
});

test('a request id is the same for its name, and another for another', () => {
  const variables = new Variables('');
  const [a, again, b] = variables.fill([
    { $requestId: 'a' },
    { $requestId: 'a' },
    { $requestId: 'b' },
  ]) as string[];
  expect(a).toBe(again);
  expect(a).not.toBe(b);
  expect(Buffer.from(a ?? '', 'base64')).toHaveLength(16);
});

test('bytes: repeated, given, with one bit flipped', () => {
  const variables = new Variables('p/');
  expect(text(variables.fill({ $repeat: 'xy', times: 2 }))).toBe('xyxy');
  expect(variables.fill({ $text: 'xy', times: 2 })).toBe('xyxy');
  expect(variables.fill({ data: { $base64: 'AP8=' } })).toEqual({ data: 'AP8=' });
  variables.set('context', 'AAAA');
  expect(variables.fill({ $damaged: '$context' })).toBe('AAEA');
  expect(Buffer.from(String(variables.fill({ $binaryKey: 'a' })), 'base64')).toHaveLength(3 + 256);
});

test('matchers are left as they are', () => {
  expect(new Variables('').fill({ state: { $oneOf: ['a', 'b'] } })).toEqual({
    state: { $oneOf: ['a', 'b'] },
  });
});
