import fc from 'fast-check';
import picocolors from 'picocolors';
import { expect, test } from 'vitest';
import { parseConfig, parseMemberFlag } from '../config/parse-config.ts';
import { Version } from '../gen/kindred/v1/types.ts';
import { ReplicaNames, timestampText } from './answer-text.ts';
import {
  bytesText,
  decodeText,
  isPlainText,
  parseBase64,
  parseBytes,
  previewBytes,
  toBase64Url,
} from './bytes-text.ts';
import { DEFAULT_ENDPOINT, parseEndpoints } from './client.ts';
import { exitCodeOf, startAdvice } from './commands/server.ts';
import { lineFormatter } from './dev/merged-log.ts';
import { busyPorts, planPorts } from './dev/port-plan.ts';
import { formatDurationMs, parseDurationMs } from './duration-text.ts';
import { LatencyHistogram } from './load-run.ts';
import {
  conflictDocument,
  hasConflictMarkers,
  largestOf,
  latestOf,
  oldestFirst,
  unionOfLines,
} from './merge-versions.ts';
import { UsageError } from './terminal.ts';

test.each([
  ['500ms', 500],
  ['30s', 30_000],
  ['1.5s', 1500],
  ['5m', 300_000],
  ['1h30m', 5_400_000],
  ['7d', 604_800_000],
])('duration %s', (text, ms) => {
  expect(parseDurationMs(text, 'x')).toBe(ms);
});

test.each(['', '5', 's', '-1s', '1s 2s', '1w', '0s', '0.1ms', '3651d', '1e3s'])('no duration: %j', (text) => {
  expect(() => parseDurationMs(text, '--ttl')).toThrow(UsageError);
});

test.each([
  [0, '0ms'],
  [999, '999ms'],
  [12_300, '12s'],
  [3_600_000, '1h'],
  [90_061_000, '1d 1h'],
  [-3, '-3ms'],
])('%d ms for people', (ms, text) => {
  expect(formatDurationMs(ms)).toBe(text);
});

test('small numbers are told well', () => {
  expect(formatDurationMs(-0.3)).toBe('0ms');
  expect(formatDurationMs(-3)).toBe('-3ms');
  expect([bytesText(0), bytesText(1), bytesText(2)]).toEqual(['0 bytes', '1 byte', '2 bytes']);
});

test('bytes survive base64, base64url and hex', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (data) => {
      const bytes = Buffer.from(data);
      expect(Buffer.from(parseBase64(toBase64Url(data), 'x')).equals(bytes)).toBe(true);
      expect(Buffer.from(parseBytes(bytes.toString('base64'), 'base64', 'x')).equals(bytes)).toBe(true);
      expect(Buffer.from(parseBytes(bytes.toString('hex'), 'hex', 'x')).equals(bytes)).toBe(true);
    }),
  );
});

test.each(['a', '!!!!', 'a=b', 'aaaa=====', 'ab cd'])('no base64: %j', (text) => {
  expect(() => parseBase64(text, 'x')).toThrow(UsageError);
});

test('a preview is one line that no terminal obeys, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 20, max: 200 }), (data, length) => {
      const text = previewBytes(data, length);
      expect(isPlainText(text) && !text.includes('\n') && !text.includes('\t')).toBe(true);
      expect([...text].length).toBeLessThanOrEqual(length + ' (200 bytes)'.length);
    }),
  );
  expect(previewBytes(new TextEncoder().encode('\u001b[31m\u009b\u202e'))).toBe(
    '"\\u001b[31m\\u009b\\u202e"',
  );
  expect(previewBytes(new Uint8Array([0xff, 0]))).toBe('0xff00');
  expect(decodeText(new Uint8Array([0xef, 0xbb, 0xbf, 0x61]))).toBe('\ufeffa');
});

test('replica names are as short as they stay apart', () => {
  const dot = (replica: number) => ({ replica, epoch: 1, counter: 9 });
  expect(new ReplicaNames([dot(0xabcdef)]).dot(dot(0xabcdef))).toBe('abcdef:1:9');
  const alike = new ReplicaNames([dot(0x1abcdef), dot(0x2abcdef)]);
  expect([alike.dot(dot(0x1abcdef)), alike.dot(dot(0x2abcdef))]).toEqual(['1abcdef:1:9', '2abcdef:1:9']);
});

test('timestamps keep microseconds', () => {
  expect(timestampText({ seconds: 0, nanos: 1000 })).toBe('1970-01-01T00:00:00.000001Z');
});

function version(text: string, seconds: number, counter = 1): Version {
  return Version.create({
    body: { $case: 'value', value: { data: new TextEncoder().encode(text), contentType: '', metadata: {} } },
    dot: { replica: 1, epoch: 1, counter },
    writtenAt: { seconds, nanos: 0 },
  });
}

test('everybody picks the same version, in whatever order they stand', () => {
  const versions = [version('aaa', 1, 1), version('bb', 2, 2), version('ccc', 1, 3), version('d', 2, 4)];
  const reversed = [...versions].reverse();
  expect(latestOf(versions)).toBe(versions[3]);
  expect(latestOf(reversed)).toBe(versions[3]);
  expect(largestOf(versions)).toBe(versions[2]);
  expect(largestOf(reversed)).toBe(versions[2]);
  expect(oldestFirst(reversed)).toEqual([versions[0], versions[2], versions[1], versions[3]]);
});

test.each([
  [['a\nb\n', 'b\nc\n'], 'a\nb\nc\n'],
  [['a', 'b'], 'a\nb'],
  [['a', 'a\n'], 'a\n'],
  [['', 'a'], 'a'],
  [['', ''], ''],
  [['\n', 'a\n'], '\na\n'],
])('the union of lines of %j', (texts, union) => {
  expect(unionOfLines(texts)).toBe(union);
});

test('markers that are left are found, and what looks like them in a value is not', () => {
  const document = conflictDocument(['a', 'b\n'], ['x', 'y']);
  expect(document).toBe('<<<<<<< [1] x\na\n<<<<<<< [2] y\nb\n>>>>>>>\n');
  expect(hasConflictMarkers(document, ['a', 'b\n'])).toBe(true);
  for (const left of ['>>>>>>>', '>>>>>>>\r', '>>>>>>> x', '<<<<<<<', '<<<<<<< [1', '<<<<<<< HEAD']) {
    expect([left, hasConflictMarkers(`a\n${left}\nb\n`, ['a', 'b\n'])]).toEqual([left, true]);
  }
  expect(hasConflictMarkers('a\n<<<<<<< HEAD\nb\n', ['a', '<<<<<<< HEAD\nb'])).toBe(false);
  expect(hasConflictMarkers('a\n', ['a', 'b'])).toBe(false);
});

test('endpoints come from flags, else the environment, else the default', () => {
  expect(parseEndpoints([], undefined)).toEqual([DEFAULT_ENDPOINT]);
  expect(parseEndpoints([], '')).toEqual([DEFAULT_ENDPOINT]);
  expect(parseEndpoints([], 'a:1, b:2')).toEqual(['a:1', 'b:2']);
  expect(parseEndpoints(['c:3,d:4', '[::1]:5', 'c:3'], 'a:1')).toEqual(['c:3', 'd:4', '[::1]:5']);
  for (const bad of ['a', 'a:0', 'a:65536', ':1', 'http://a:1', '::1:5', 'a:1,']) {
    expect(() => parseEndpoints([bad], undefined), bad).toThrow(UsageError);
  }
});

test('quantiles are right to 0.1 %', () => {
  const histogram = new LatencyHistogram();
  for (let ms = 1; ms <= 1000; ms++) histogram.add(ms);
  expect(histogram.count).toBe(1000);
  for (const [fraction, ms] of [
    [0.5, 500],
    [0.99, 990],
    [0.999, 999],
    [1, 1000],
  ] as const) {
    expect(Math.abs(histogram.quantileMs(fraction) / ms - 1)).toBeLessThan(0.0011);
  }
  expect(new LatencyHistogram().quantileMs(0.5)).toBe(0);
});

test('the ports of a development cluster', async () => {
  expect(planPorts(2, 7400)).toEqual([
    { id: 'n1', client: 7400, peer: 7500, http: 7600 },
    { id: 'n2', client: 7401, peer: 7501, http: 7601 },
  ]);
  const { createServer } = await import('node:net');
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port } = holder.address() as { port: number };
  try {
    const plan = [{ id: 'n1', client: port, peer: 0, http: 0 }];
    expect(await busyPorts(plan, '127.0.0.1')).toEqual([{ port, use: 'clients of n1' }]);
  } finally {
    await new Promise((resolve) => holder.close(resolve));
  }
});

test('log lines of nodes become one line each, and foreign lines pass', () => {
  const format = lineFormatter('n1', { index: 0, width: 3, colors: picocolors.createColors(false) });
  const line = {
    level: 'warn',
    time: '2026-01-01T10:11:12.345Z',
    node: 'n1',
    peer: 'n2',
    size: 3,
    error: { message: 'gone' },
    msg: 'link broke',
  };
  expect(format(JSON.stringify(line))).toBe(
    'n1  | 10:11:12.345 WARN  link broke peer=n2 size=3 error="gone"',
  );
  expect(format('Segmentation fault')).toBe('n1  | Segmentation fault');
  expect(format('{broken')).toBe('n1  | {broken');
});

test('the exit code of a server follows the cause', () => {
  const named = (name: string) => Object.assign(new Error('x'), { name });
  const coded = (code: string) => Object.assign(new Error('x'), { code });
  expect(exitCodeOf(new Error('x'))).toBe(1);
  expect(exitCodeOf(named('ConfigError'))).toBe(2);
  expect(exitCodeOf(new Error('x', { cause: named('EngineError') }))).toBe(3);
  expect(exitCodeOf(new Error('x', { cause: new Error('y', { cause: coded('ENOSPC') }) }))).toBe(3);
  expect(exitCodeOf(coded('EADDRINUSE'))).toBe(4);
  expect(exitCodeOf(new Error('No address added: listen EADDRINUSE'))).toBe(4);
  expect(exitCodeOf(coded('EADDRNOTAVAIL'))).toBe(4);
});

test('what to change when a node cannot listen', () => {
  const { config } = parseConfig({
    file: undefined,
    environment: {},
    flags: [{ path: 'members', value: [parseMemberFlag('n1@192.0.2.1:1:2:3')], name: '--member' }],
    terminal: false,
  });
  const unavailable = (text: string): Error =>
    Object.assign(new Error(text), { code: 'address-unavailable' });
  const elsewhere = startAdvice(unavailable('listen EADDRNOTAVAIL: address not available'), config);
  expect(elsewhere).toContain('192.0.2.1 is no address of this machine: set listen.host');
  expect(elsewhere).not.toContain('in use');
  expect(startAdvice(unavailable('listen EADDRINUSE'), config)).toContain(
    'ports 1, 2, 3 on 192.0.2.1 is in use',
  );
  expect(startAdvice(unavailable('listen EACCES'), config)).toContain(
    'choose ports from 1024 on for members.n1',
  );
  expect(startAdvice(new Error('x'), config)).toBe('');
});
