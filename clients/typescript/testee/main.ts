/**
 * The program that clients/conformance talks to: a JSON request a line on stdin, a JSON answer a line on stdout, in any
 * order. It ends when stdin does.
 */

import { createInterface } from 'node:readline';
import { errorJson, type Json } from './json.ts';
import { Testee } from './testee.ts';

const testee = new Testee();
const underWay = new Map<number, AbortController>();

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() !== '') void answer(JSON.parse(line) as Json);
}
testee.close();

async function answer(request: Json): Promise<void> {
  const { id } = request;
  const controller = new AbortController();
  underWay.set(id, controller);
  const { cancelAfterMs } = request;
  const timer = cancelAfterMs === undefined ? undefined : setTimeout(() => controller.abort(), cancelAfterMs);
  try {
    if (request['op'] === 'cancel') underWay.get(request['of'])?.abort();
    const ok = request['op'] === 'cancel' ? {} : await testee.handle(request, controller.signal);
    write({ id, ok });
  } catch (error) {
    write({ id, error: errorJson(error) });
  } finally {
    clearTimeout(timer);
    underWay.delete(id);
  }
}

function write(message: Json): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
