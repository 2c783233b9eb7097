/**
 * A transport whose listeners may throw: where an answer makes no sense (a context that is damaged, say), the run goes on and
 * says so at the end.
 */

import type { ClientTransport } from '../workload/client-transport.ts';

/** `onSenseless` hears of every error that a listener of a stream threw. The item counts as one that never came. */
export function guardedTransport(
  transport: ClientTransport,
  onSenseless: (error: unknown) => void,
): ClientTransport {
  const guarded =
    <Item>(listener: (item: Item) => void) =>
    (item: Item): void => {
      try {
        listener(item);
      } catch (error) {
        onSenseless(error);
      }
    };
  return {
    node: transport.node,
    get: (request, options) => transport.get(request, options),
    put: (request, options) => transport.put(request, options),
    delete: (request, options) => transport.delete(request, options),
    touch: (request, options) => transport.touch(request, options),
    writeOutcome: (request, options) => transport.writeOutcome(request, options),
    batchGet: (request, options, onItem) => transport.batchGet(request, options, guarded(onItem)),
    batchWrite: (request, options, onItem) => transport.batchWrite(request, options, guarded(onItem)),
    pipeline: (request, options, onResult) => transport.pipeline(request, options, guarded(onResult)),
  };
}
