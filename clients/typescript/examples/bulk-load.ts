/**
 * Many writes over one stream for each node. `ready` holds the loop back while enough is under way.
 *
 *     node bulk-load.ts 127.0.0.1:7400 127.0.0.1:7401 127.0.0.1:7402
 */

import { Client, KindredError } from '@kindred/client';

const endpoints = process.argv.length > 2 ? process.argv.slice(2) : ['127.0.0.1:7400'];
// A bulk load is in no hurry.
const client = new Client(endpoints, { timeoutMs: 30_000 });
const pipeline = client.pipeline({ inFlight: 256 });

let written = 0;
const failed: KindredError[] = [];
for (let row = 0; row < 2000; row++) {
  await pipeline.ready;
  pipeline.put('default', `row/${row}`, `content of row ${row}`).then(
    () => {
      written += 1;
    },
    (error: unknown) => {
      if (!(error instanceof KindredError)) throw error;
      failed.push(error);
    },
  );
}
await pipeline.close();
console.log(`${written} rows written, ${failed.length} failed`);
for (const { code, reason, outcome } of failed.slice(0, 3)) console.log(code, reason, outcome);

client.close();
