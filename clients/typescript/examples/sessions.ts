/**
 * Reads at ONE that see the session's own writes, whichever node answers.
 *
 *     node sessions.ts 127.0.0.1:7400 127.0.0.1:7401 127.0.0.1:7402
 */

import { Client } from '@kindred/client';

const endpoints = process.argv.length > 2 ? process.argv.slice(2) : ['127.0.0.1:7400'];
const client = new Client(endpoints, { read: { consistency: 'ONE' }, write: { consistency: 'ONE' } });

const session = client.session();
for (let step = 1; step <= 20; step++) {
  await session.put('default', 'progress', `step ${step}`);
  const seen = await session.get('default', 'progress');
  if (seen.state !== 'found' || seen.value.text() !== `step ${step}`) throw new Error('went back in time');
}
console.log('20 reads at ONE, each saw the write before it');

// A context is text, too: hand it to another process, and that one sees at least this state.
const { context } = await session.put('default', 'progress', 'done');
const elsewhere = await client.get('default', 'progress', { minContext: context });
console.log(elsewhere.state === 'found' && elsewhere.value.text());

client.close();
