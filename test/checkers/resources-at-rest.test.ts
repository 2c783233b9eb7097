import { expect, test } from 'vitest';
import { resourcesAtRest } from './resources-at-rest.ts';

const resting = {
  requests_in_flight: 0,
  request_bytes_in_flight: 0,
  peer_calls_in_flight: 0,
  repairs_pending: 0,
  hint_bytes: 0,
  damaged_reads: 3,
  client_connections: 2,
};

function messages(gauges: Readonly<Record<string, number>>): readonly string[] {
  return resourcesAtRest(
    [
      { node: 'n1', gauges: resting },
      { node: 'n2', gauges },
    ],
    7,
  ).map(({ message }) => message);
}

test('nodes at rest', () => {
  expect(messages(resting)).toEqual([]);
});

test('each resource that is not back is named', () => {
  expect(messages({ ...resting, requests_in_flight: 1, hint_bytes: 90 })).toEqual([
    'n2 still has 1 requests in flight at rest',
    'n2 still has 90 bytes of hints at rest',
  ]);
  expect(messages({ ...resting, repairs_pending: 2 })).toHaveLength(1);
  expect(messages({ ...resting, timers_pending: 2 })).toEqual(['n2 still has 2 timers of requests at rest']);
});

test('a negative count is a leak the other way', () => {
  expect(messages({ ...resting, request_bytes_in_flight: -8 })).toHaveLength(1);
});

test('what cannot be seen cannot be checked', () => {
  const { repairs_pending: _, ...less } = resting;
  expect(messages(less)).toEqual(['n2 does not show repairs_pending at rest']);
  expect(messages({})).toEqual(['n2 shows nothing of itself at rest: it is not running']);
});
