/** The vectors of RFC 7541, appendix C, and blocks that are none. */

import { expect, test } from 'vitest';
import { HpackDecoder } from './hpack-decoder.ts';
import { encodeFields, HpackEncoder, RepeatedFields } from './hpack-encoder.ts';

type Pairs = readonly (readonly [string, string])[];

function decode(decoder: HpackDecoder, block: Buffer): Pairs | undefined {
  return decoder.decode(block, 0, block.length)?.map(({ name, value }) => [name, value]);
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
}

const request = (path: string, scheme = 'http'): Pairs => [
  [':method', 'GET'],
  [':scheme', scheme],
  [':path', path],
  [':authority', 'www.example.com'],
];
const requests: readonly Pairs[] = [
  request('/'),
  [...request('/'), ['cache-control', 'no-cache']],
  [...request('/index.html', 'https'), ['custom-key', 'custom-value']],
];
const answer = (code: string, second: number): Pairs => [
  [':status', code],
  ['cache-control', 'private'],
  ['date', `Mon, 21 Oct 2013 20:13:${second} GMT`],
  ['location', 'https://www.example.com'],
];
const answers: readonly Pairs[] = [
  answer('302', 21),
  answer('307', 21),
  [
    ...answer('200', 22),
    ['content-encoding', 'gzip'],
    ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
  ],
];

test.each([
  [
    'C.2.1',
    '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
    ['custom-key', 'custom-header'],
  ],
  ['C.2.2', '040c 2f73 616d 706c 652f 7061 7468', [':path', '/sample/path']],
  ['C.2.3', '1008 7061 7373 776f 7264 0673 6563 7265 74', ['password', 'secret']],
  ['C.2.4', '82', [':method', 'GET']],
] as const)('%s', (_, block, field) => {
  expect(decode(new HpackDecoder(), hex(block))).toEqual([field]);
});

test.each([
  [
    'C.3: requests',
    requests,
    [
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ],
  ],
  [
    'C.4: requests in Huffman code',
    requests,
    [
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ],
  ],
  [
    // The table of 256 bytes that the appendix assumes is set first.
    'C.5: answers, with eviction',
    answers,
    [
      `3fe101 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133
       3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      '4803 3330 37c1 c0bf',
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738
       666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33
       3630 303b 2076 6572 7369 6f6e 3d31`,
    ],
  ],
  [
    'C.6: answers in Huffman code, with eviction',
    answers,
    [
      `3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
       1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
      '4883 640e ffc1 c0bf',
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7
       b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ],
  ],
] as const)('%s', (_, lists, blocks) => {
  const decoder = new HpackDecoder();
  expect(blocks.map((block) => decode(decoder, hex(block)))).toEqual(lists);
});

test.each([
  ['index 0', '80'],
  ['an index beyond both tables', 'be'],
  ['an integer that never ends', 'ffffffffffffffffff'],
  ['a string longer than its block', '00 05 61'],
  ['a name without a value', '00 01 61'],
  ['half an index', 'ff'],
  ['a table larger than was allowed', '3fe2 1f'],
  ['a new size between fields', '82 20'],
  ['padding of 8 bits', '00 01 61 82 1fff'],
  ['padding with zeros', '00 01 61 81 18'],
  ['the end of string as a symbol', '00 01 61 84 ffffffff'],
])('%s is no block', (_, block) => {
  expect(() => decode(new HpackDecoder(), hex(block))).toThrow();
});

test('a field larger than the table empties it and is there all the same', () => {
  const decoder = new HpackDecoder();
  decode(decoder, hex('4001 6101 62'));
  expect(decode(decoder, hex('be'))).toEqual([['a', 'b']]);
  const value = 'x'.repeat(4096);
  const large = Buffer.concat([hex('4001 63 7f811f'), Buffer.from(value)]);
  expect(decode(decoder, large)).toEqual([['c', value]]);
  expect(() => decode(decoder, hex('be'))).toThrow();
});

test('references to a long field are many in few bytes: the list is bounded, and the table stays right', () => {
  const decoder = new HpackDecoder();
  decode(decoder, Buffer.concat([hex('4001 61 7fa11e'), Buffer.from('x'.repeat(4000))]));
  expect(decode(decoder, Buffer.alloc(16_000, 0xbe))).toBeUndefined();
  expect(decode(decoder, Buffer.alloc(129, 0x82))).toBeUndefined();
  expect(decode(decoder, Buffer.concat([Buffer.alloc(16_000, 0xbe), hex('4001 6301 64')]))).toBeUndefined();
  expect(decode(decoder, hex('be'))).toEqual([['c', 'd']]);
});

test('repeated fields become a byte each, in whatever order their lists come', () => {
  const decoder = new HpackDecoder();
  const encoder = new HpackEncoder();
  const heading: Pairs = [
    [':status', '200'],
    ['content-type', 'application/grpc+proto'],
    ['grpc-encoding', 'identity'],
  ];
  const trailers: Pairs = [
    ['grpc-status', '0'],
    ['grpc-message', 'OK'],
  ];
  const head = new RepeatedFields(heading);
  const tail = new RepeatedFields(trailers);
  for (const [block, fields] of [
    [head, heading],
    [head, heading],
    [tail, trailers],
    [head, heading],
    [tail, trailers],
    [head, heading],
  ] as const) {
    expect(decode(decoder, encoder.encode(block))).toEqual(fields);
  }
  expect(encoder.encode(head)).toHaveLength(3);
  expect(encoder.encode(tail)).toHaveLength(2);
  // What is written out changes nothing of that.
  const once: Pairs = [['x-once', 'é']];
  expect(decode(decoder, encoder.encode(encodeFields(once)))).toEqual(once);
  // A client that wants a smaller table is told so, and everything is written out.
  encoder.limitTable(100);
  const written = encoder.encode(head);
  expect(written[0]).toBe(0x20);
  expect(decode(decoder, written)).toEqual(heading);
  expect(decode(decoder, encoder.encode(tail))).toEqual(trailers);
  expect(encoder.encode(head).length).toBeGreaterThan(40);
});
