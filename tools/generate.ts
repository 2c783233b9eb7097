/**
 * Makes src/gen from proto/, offline: TypeScript for every message and service (buf with ts-proto, see buf.gen.yaml),
 * and the descriptors that server reflection shows to clients.
 *
 *     node tools/generate.ts [directory]
 *
 * The directory (default: src/gen) is emptied first. Given another one, a check can compare the two.
 */

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const output = resolve(process.argv[2] ?? join(root, 'src/gen'));
const binaries = join(root, 'node_modules/.bin');

/** Runs buf in the repository, with the Node that runs this file. */
function buf(...args: string[]): void {
  const path = [binaries, dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);
  execFileSync(join(binaries, 'buf'), args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: path },
  });
}

/** A module rather than a file beside the code, so that it is found wherever the code is bundled or copied to. */
function descriptorModule(descriptorSet: Uint8Array): string {
  const lines =
    Buffer.from(descriptorSet)
      .toString('base64')
      .match(/.{1,100}/g) ?? [];
  return `// Made by tools/generate.ts from proto/kindred/v1 and proto/grpc/health/v1. Do not edit.

/** An encoded google.protobuf.FileDescriptorSet: the client API, health and all they import, for server reflection. */
export const descriptors: Uint8Array = Buffer.from(
  \`
${lines.join('\n')}
\`,
  'base64',
);
`;
}

const scratch = mkdtempSync(join(tmpdir(), 'kindred-generate-'));
try {
  // The health service comes with a package: here its proto is for reflection only.
  buf('generate', '--exclude-path', 'proto/grpc', '--output', scratch);
  const generated = join(scratch, 'src/gen');

  // Only what clients may call: the peer protocol stays out. With comments, so that grpcurl describes in full.
  const set = join(scratch, 'descriptors.binpb');
  const paths = ['--path', 'proto/kindred/v1', '--path', 'proto/grpc/health/v1'];
  buf('build', ...paths, '--as-file-descriptor-set', '--output', set);
  writeFileSync(join(generated, 'descriptors.ts'), descriptorModule(readFileSync(set)));

  rmSync(output, { recursive: true, force: true });
  cpSync(generated, output, { recursive: true });
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
