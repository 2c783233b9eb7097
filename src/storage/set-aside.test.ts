import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EngineError } from './engine.ts';
import { setDirectoryAside } from './set-aside.ts';

test('a directory is renamed with all that is in it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-aside-'));
  try {
    const path = join(folder, 'n1');
    await mkdir(join(path, 'lsm'), { recursive: true });
    await writeFile(join(path, 'lsm', 'file'), 'kept');
    const aside = await setDirectoryAside(`${path}/`, '2026-01-01T00-00-00');
    expect(aside).toBe(`${path}.outdated-2026-01-01T00-00-00`);
    expect(await readdir(folder)).toEqual(['n1.outdated-2026-01-01T00-00-00']);
    expect(await readFile(join(aside, 'lsm', 'file'), 'utf8')).toBe('kept');
    await expect(setDirectoryAside(path, 'x')).rejects.toBeInstanceOf(EngineError);
  } finally {
    await rm(folder, { recursive: true });
  }
});
