/** Fake nodes and clients that end with the test that made them. */

import { afterEach } from 'vitest';
import { Client, type ClientOptions, KindredError } from '../../src/index.ts';
import { type Behaviour, FakeNode } from './fake-node.ts';

const open: (Disposable | AsyncDisposable)[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) {
    if (Symbol.asyncDispose in one) await one[Symbol.asyncDispose]();
    else one[Symbol.dispose]();
  }
});

/** A fake node that ends with the test. */
export async function node(behaviour: Behaviour): Promise<FakeNode> {
  const started = await FakeNode.start(behaviour);
  open.push(started);
  return started;
}

/** A client that is closed with the test. */
export function clientOf(nodes: readonly (FakeNode | string)[], options: ClientOptions = {}): Client {
  const client = new Client(
    nodes.map((one) => (typeof one === 'string' ? one : one.address)),
    options,
  );
  open.push(client);
  return client;
}

/** Nobody listens there. */
export const nobody = '127.0.0.1:1';

/** The error that an operation fails with. */
export async function failureOf(result: Promise<unknown>): Promise<KindredError> {
  const error = await result.then(
    () => new Error('it succeeded'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof KindredError)) throw error;
  return error;
}
