/** The same seeds in two processes give the same hashes. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);

async function hashesOf(...flags: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [
    join(import.meta.dirname, 'main.ts'),
    '--hashes',
    ...flags,
  ]);
  return stdout;
}

test('three seeds have one hash each, in whatever process and after whatever other seeds', async () => {
  const [together, ...alone] = await Promise.all([
    hashesOf('--first', '3', '--seeds', '3', '--jobs', '1'),
    hashesOf('--seed', '3'),
    hashesOf('--seed', '4'),
    hashesOf('--seed', '5'),
  ]);
  expect(together).toMatch(/^3 [0-9a-f]{16}\n4 [0-9a-f]{16}\n5 [0-9a-f]{16}\n$/);
  expect(alone.join('')).toBe(together);
});
