import { expect, test } from 'vitest';
import { SiblingAlarm } from './sibling-alarm.ts';

test('every read and write is counted, and one line in ten seconds names a key of the bucket', () => {
  let nowMs = 0;
  const counted: string[] = [];
  const lines: string[] = [];
  const alarm = new SiblingAlarm({
    monotonicMs: () => nowMs,
    count: (bucket) => counted.push(bucket),
    warn: (fields, message) => lines.push(`${JSON.stringify(fields)} ${message}`),
  });
  const key = Buffer.from('carts\0k1');
  alarm.noticed('carts', key, 25, 100);
  alarm.noticed('carts', key, 26, 100);
  alarm.noticed('other', Buffer.from('other\0k'), 30, 100);
  nowMs = 10_000;
  alarm.noticed('carts', key, 27, 100);
  expect(counted).toEqual(['carts', 'carts', 'other', 'carts']);
  expect(lines).toHaveLength(3);
  expect(lines[0]).toContain('"key":"azE=","siblings":25');
  expect(lines[0]).toContain('kindred resolve --base64 azE= --bucket carts');
  expect(lines[2]).toContain('27 siblings');
});
