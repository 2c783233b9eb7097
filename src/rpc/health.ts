/** The standard health service (grpc.health.v1): SERVING until the node drains, for the whole server and each service. */

import { status } from '@grpc/grpc-js';
import { HealthDefinition } from 'nice-grpc-server-health';
import { type Service, type StreamingCall, service } from './service.ts';
import { StatusError } from './status.ts';

// grpc.health.v1.HealthCheckResponse.ServingStatus: on the wire, so it may not change. The package does not export it.
const serving = 1;
const notServing = 2;
const serviceUnknown = 3;

/** Whether this node may be sent work. */
export class Health {
  readonly #names: ReadonlySet<string>;
  /** One for each open watch: the connection's streams bound them. */
  readonly #watches = new Set<() => void>();
  #serving = true;
  #closed = false;

  /** `names`: the full names of the services that clients may ask about. The empty name is the server as a whole. */
  constructor(names: readonly string[]) {
    this.#names = new Set(['', ...names]);
  }

  stopServing(): void {
    this.#serving = false;
    this.#wakeAll();
  }

  /** Ends all watches, so that the server can close. */
  close(): void {
    this.#closed = true;
    this.#wakeAll();
  }

  service(): Service {
    return service(
      HealthDefinition,
      {
        check: ({ service: name }) => {
          const known = this.#answer(name);
          if (known !== serviceUnknown) return Promise.resolve({ status: known });
          const message = 'no service of that name on this server';
          return Promise.reject(new StatusError({ code: status.NOT_FOUND, message, detail: undefined }));
        },
        watch: ({ service: name }, call) => this.#watch(name, call),
      },
      { alwaysOn: true },
    );
  }

  #answer(name: string): number {
    if (!this.#names.has(name)) return serviceUnknown;
    return this.#serving ? serving : notServing;
  }

  async #watch(name: string, call: StreamingCall<{ status: number }>): Promise<void> {
    let last: number | undefined;
    let wake: (() => void) | undefined;
    const changed = (): void => wake?.();
    this.#watches.add(changed);
    call.onCancel(() => {
      this.#watches.delete(changed);
      wake?.();
    });
    while (!call.cancelled && !this.#closed) {
      const now = this.#answer(name);
      if (now !== last) {
        last = now;
        await call.send({ status: now });
        continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    this.#watches.delete(changed);
  }

  #wakeAll(): void {
    for (const wake of [...this.#watches]) wake();
  }
}
