/**
 * What became of a write that failed, and how to try it again without a second effect.
 *
 *     node errors.ts 127.0.0.1:7400
 */

import { Client, KindredError } from '@kindred/client';

const endpoints = process.argv.length > 2 ? process.argv.slice(2) : ['127.0.0.1:7400'];
const client = new Client(endpoints);

try {
  await client.put('no-such-bucket', 'order/17', 'paid');
} catch (error) {
  if (!(error instanceof KindredError)) throw error;
  switch (error.outcome) {
    case 'NOT_APPLIED':
      console.log(`nothing was written: ${error.reason}`);
      break;
    default:
      // It may have been written. With the same request id it counts once, however often it is sent.
      await client.put('no-such-bucket', 'order/17', 'paid', { requestId: error.requestId });
  }
}

// Or ask. The id is kept beside the order, so that a process that starts anew can still do so.
const requestId = crypto.getRandomValues(new Uint8Array(16));
await client.put('default', 'order/17', 'paid', { requestId });
const outcome = await client.writeOutcome('default', 'order/17', requestId);
console.log(`order 17: ${outcome.state}`);

// A caller that loses patience.
try {
  await client.get('default', 'order/17', { signal: AbortSignal.abort() });
} catch (error) {
  if (!(error instanceof KindredError)) throw error;
  console.log(`${error.name}: ${error.message}`);
}

client.close();
