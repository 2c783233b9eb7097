/**
 * Server reflection, so that grpcurl and `buf curl` need no proto files. Served as v1 and, word for word the same, as
 * v1alpha, which is what older clients ask for.
 */

import type { ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { ServerReflection, ServerReflectionService } from 'nice-grpc-server-reflection';

/** A service in the form that grpc-js takes. */
export interface RawService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

type Message = Parameters<typeof ServerReflectionService.serverReflectionInfo.requestSerialize>[0];
type Answer = Parameters<typeof ServerReflectionService.serverReflectionInfo.responseSerialize>[0];

/** `descriptors`: an encoded FileDescriptorSet. `serviceNames`: the full names that are listed. */
export function reflectionServices(
  descriptors: Uint8Array,
  serviceNames: readonly string[],
): readonly RawService[] {
  const reflection = ServerReflection(descriptors, serviceNames);
  const implementation = {
    serverReflectionInfo(call: ServerDuplexStream<Message, Answer>): void {
      answerAll(call).catch(() => call.end());
    },
  };
  async function answerAll(call: ServerDuplexStream<Message, Answer>): Promise<void> {
    // The implementation looks at nothing of its context.
    for await (const answer of reflection.serverReflectionInfo(call, undefined as never)) call.write(answer);
    call.end();
  }
  const v1 = ServerReflectionService.serverReflectionInfo;
  const v1alpha = { ...v1, path: v1.path.replace('.v1.', '.v1alpha.') };
  return [v1, v1alpha].map((method) => ({ definition: { serverReflectionInfo: method }, implementation }));
}
