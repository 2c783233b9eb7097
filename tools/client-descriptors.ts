/**
 * Prints the SHA-256 of the client API's descriptors, without comments: what clients in other languages keep beside the code
 * that they generated, so that a change of the API which a client has not followed is noticed.
 *
 *     node tools/client-descriptors.ts               prints it
 *     node tools/client-descriptors.ts --check FILE  fails unless FILE has it, as its first word of 64 hexadecimal digits
 *
 * Imported files (google.protobuf) are left out: they change with the compiler, and no client generates them from here.
 */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function digest(): string {
  const binaries = join(root, 'node_modules/.bin');
  const path = [binaries, dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);
  const form = ['--exclude-source-info', '--exclude-imports', '--as-file-descriptor-set'];
  const descriptors = execFileSync(
    join(binaries, 'buf'),
    ['build', '--path', 'proto/kindred/v1', ...form, '--output', '-#format=binpb'],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, PATH: path } },
  );
  return createHash('sha256').update(descriptors).digest('hex');
}

const { values } = parseArgs({ options: { check: { type: 'string' } } });
const expected = digest();
if (values.check === undefined) process.stdout.write(`${expected}\n`);
else {
  const found = /\b[0-9a-f]{64}\b/.exec(readFileSync(resolve(values.check), 'utf8'))?.[0];
  if (found !== expected) {
    process.stderr.write(
      `${values.check} says ${found ?? 'nothing'}, and proto/kindred/v1 is ${expected}:\n` +
        "the client's generated code is not of this API. Run its run/generate, and commit what that changes.\n",
    );
    process.exitCode = 1;
  }
}
