import { expect, test } from 'vitest';
import { connectionText } from './connection-text.ts';

test.each([
  [
    'No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:7500. Resolution note: ',
    'connection refused',
  ],
  ['read ECONNRESET', 'the connection was reset'],
  ['Connection dropped', 'the connection broke'],
  ['Name resolution failed for target dns:n9:7500', 'its name cannot be resolved'],
  ['No connection established. Last error: connect EHOSTUNREACH 10.0.0.9:7500', 'no route to it'],
  ['No connection established. Last error: null. Resolution note: ', 'no connection'],
  [
    'No connection established. Last error: Error: Protocol error. Resolution note: ',
    'no connection: Protocol error',
  ],
  ['the node is shutting down', 'the node is shutting down'],
  ['', ''],
])('%j means %j', (details, meaning) => {
  expect(connectionText(details)).toBe(meaning);
});
