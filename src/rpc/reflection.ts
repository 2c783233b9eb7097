/**
 * Server reflection, so that grpcurl and `buf curl` need no proto files. Served as v1 and, word for word the same, as
 * v1alpha, which is what older clients ask for.
 *
 * The messages are read and written here by hand: the package for it decodes with google-protobuf, which a group that
 * never ends (one request of a few bytes) sends into a loop for ever, and the whole node with it.
 */

import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { type DescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { type DuplexCall, type Service, service } from './service.ts';

/** What a client may ask. A kind that this server does not know is `unknown`. */
type Question =
  | { readonly ask: 'file' | 'symbol' | 'extension' | 'extensions-of'; readonly name: string }
  | { readonly ask: 'services' | 'unknown'; readonly name: string };

interface Request {
  readonly host: string;
  readonly question: Question;
  /** As it came: the answer repeats it. */
  readonly bytes: Uint8Array;
}

// Field numbers of grpc.reflection.v1.ServerReflectionRequest: on the wire, so they may not change.
const asks = new Map<number, Question['ask']>([
  [3, 'file'],
  [4, 'symbol'],
  [5, 'extension'],
  [6, 'extensions-of'],
  [7, 'services'],
]);

const requestType = {
  encode: (): BinaryWriter => new BinaryWriter(),
  decode(bytes: Uint8Array): Request {
    const reader = new BinaryReader(bytes);
    let host = '';
    let question: Question = { ask: 'unknown', name: '' };
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      const ask = asks.get(field);
      if (wireType !== 2 || (field !== 1 && ask === undefined)) reader.skip(wireType, field);
      else if (field === 1) host = reader.string();
      else if (ask === 'extension') {
        // Its type and number: this server has none, so which one is asked for makes no difference.
        reader.skip(wireType, field);
        question = { ask, name: '' };
      } else if (ask !== undefined) question = { ask, name: reader.string() };
    }
    return { host, question, bytes };
  },
};

const responseType = {
  encode: (answer: BinaryWriter): BinaryWriter => answer,
  decode: (): BinaryWriter => new BinaryWriter(),
};

/** v1 and v1alpha. `descriptors`: an encoded FileDescriptorSet. `serviceNames`: the full names that are listed. */
export function reflectionServices(
  descriptors: Uint8Array,
  serviceNames: readonly string[],
): readonly Service[] {
  const files = new DescribedFiles(descriptors);
  return ['v1', 'v1alpha'].map((version) => {
    const definition = {
      fullName: `grpc.reflection.${version}.ServerReflection`,
      methods: {
        serverReflectionInfo: {
          name: 'ServerReflectionInfo',
          requestType,
          requestStream: true,
          responseType,
          responseStream: true,
        },
      },
    } as const;
    const serverReflectionInfo = (call: DuplexCall<Request, BinaryWriter>): void =>
      call.listen({
        message(request) {
          if (!call.send(answerTo(request, files, serviceNames))) call.pause();
        },
        drained: () => call.resume(),
        halfClosed: () => call.end(),
        cancelled: () => {},
        shutdown: () => call.end(),
      });
    return service(definition, { serverReflectionInfo }, { alwaysOn: true });
  });
}

function answerTo(
  { host, question, bytes }: Request,
  files: DescribedFiles,
  serviceNames: readonly string[],
): BinaryWriter {
  const answer = new BinaryWriter();
  answer.uint32(10).string(host);
  answer.uint32(18).bytes(bytes);
  switch (question.ask) {
    case 'services': {
      answer.uint32(50).fork();
      for (const name of serviceNames) answer.uint32(10).fork().uint32(10).string(name).join();
      return answer.join();
    }
    case 'file':
    case 'symbol': {
      const found = question.ask === 'file' ? files.byName(question.name) : files.bySymbol(question.name);
      if (found === undefined) return failed(answer, status.NOT_FOUND, `no such ${question.ask} here`);
      answer.uint32(34).fork();
      for (const file of found) answer.uint32(10).bytes(file);
      return answer.join();
    }
    case 'extension':
    case 'extensions-of':
      return failed(answer, status.NOT_FOUND, 'this API has no extensions');
    case 'unknown':
      return failed(answer, status.UNIMPLEMENTED, 'this server knows no such question');
  }
}

function failed(answer: BinaryWriter, code: status, message: string): BinaryWriter {
  return answer.uint32(58).fork().uint32(8).int32(code).uint32(18).string(message).join();
}

interface DescribedFile {
  readonly bytes: Uint8Array;
  readonly imports: readonly string[];
}

/** The files of a descriptor set, by name and by what they define. */
class DescribedFiles {
  readonly #files = new Map<string, DescribedFile>();
  /** Full name of a message, enum, service or method, and the file that defines it. */
  readonly #symbols = new Map<string, string>();

  constructor(descriptors: Uint8Array) {
    const reader = new BinaryReader(descriptors);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field !== 1 || wireType !== 2) {
        reader.skip(wireType, field);
        continue;
      }
      // The very bytes are kept: what clients get is what the compiler wrote.
      const bytes = reader.bytes();
      const file = fromBinary(FileDescriptorProtoSchema, bytes);
      this.#files.set(file.name, { bytes, imports: file.dependency });
      const scope = file.package === '' ? '' : `${file.package}.`;
      for (const each of file.enumType) this.#symbols.set(scope + each.name, file.name);
      for (const each of file.messageType) this.#addMessage(scope, each, file.name);
      for (const each of file.service) {
        this.#symbols.set(scope + each.name, file.name);
        for (const { name } of each.method) this.#symbols.set(`${scope}${each.name}.${name}`, file.name);
      }
    }
  }

  /** The file and all that it imports, itself first. `undefined`: there is no such file. */
  byName(name: string): readonly Uint8Array[] | undefined {
    if (!this.#files.has(name)) return undefined;
    // A set may grow while it is iterated, and names each file once.
    const names = new Set([name]);
    const found: Uint8Array[] = [];
    for (const each of names) {
      const file = this.#files.get(each);
      if (file === undefined) continue;
      found.push(file.bytes);
      for (const imported of file.imports) names.add(imported);
    }
    return found;
  }

  bySymbol(symbol: string): readonly Uint8Array[] | undefined {
    const file = this.#symbols.get(symbol);
    return file === undefined ? undefined : this.byName(file);
  }

  #addMessage(scope: string, message: DescriptorProto, file: string): void {
    const name = scope + message.name;
    this.#symbols.set(name, file);
    for (const each of message.enumType) this.#symbols.set(`${name}.${each.name}`, file);
    for (const each of message.nestedType) this.#addMessage(`${name}.`, each, file);
  }
}
