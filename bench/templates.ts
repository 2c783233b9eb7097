/** The reads and writes of a load, for the system that they go to. */

import { ConsistencyLevel } from '../src/gen/kindred/v1/types.ts';
import type { LoadJob } from './load-job.ts';
import { keyPlaceholder, RequestTemplate } from './request-template.ts';
import { etcdGet, etcdPut, kindredGet, kindredPut, randomValue, type UnaryRequest } from './requests.ts';

/** `wrap` may put the requests into others. */
export function templatesOf(
  job: LoadJob,
  wrap: (request: UnaryRequest) => UnaryRequest,
): { readonly read: RequestTemplate; readonly write: RequestTemplate } {
  const { target, readLevel, writeLevel, durability, valueBytes } = job;
  const value = randomValue(valueBytes);
  const toEtcd = target === 'etcd' || target === 'etcd-txn';
  const read = toEtcd
    ? etcdGet(keyPlaceholder, { serializable: readLevel === ConsistencyLevel.CONSISTENCY_LEVEL_ONE })
    : kindredGet(keyPlaceholder, readLevel);
  const write = toEtcd
    ? etcdPut(keyPlaceholder, value)
    : kindredPut(keyPlaceholder, value, writeLevel, durability);
  return {
    read: new RequestTemplate(wrap(read), { valueBytes }),
    write: new RequestTemplate(wrap(write), { valueBytes, value }),
  };
}
