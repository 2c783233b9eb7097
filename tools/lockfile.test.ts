import { expect, test } from 'vitest';
import { checkLockfile } from './lockfile.ts';

const parent = { version: '1.0.0', optionalDependencies: { '@a/linux': '1.0.0', '@a/darwin': '1.0.0' } };

function lock(packages: Record<string, unknown>): string {
  return JSON.stringify({ packages: { '': {}, ...packages } });
}

test('a lock with every optional package and no address passes', () => {
  const text = lock({
    'node_modules/x/node_modules/a': parent,
    'node_modules/@a/linux': { version: '1.0.0' },
    'node_modules/x/node_modules/@a/darwin': { version: '1.0.0' },
  });
  expect(checkLockfile(text)).toEqual({ kind: 'passed', note: '3 packages' });
});

test('an optional package of another platform that is missing is named', () => {
  const text = lock({ 'node_modules/a': parent, 'node_modules/@a/linux': { version: '1.0.0' } });
  expect(checkLockfile(text)).toEqual({
    kind: 'failed',
    output: 'node_modules/a may need @a/darwin, which is not in the lock\n',
  });
});

test('an optional package nested below another package does not count', () => {
  const text = lock({
    'node_modules/a': { optionalDependencies: { b: '1.0.0' } },
    'node_modules/c/node_modules/b': { version: '1.0.0' },
  });
  expect(checkLockfile(text).kind).toBe('failed');
});

test('the address of a registry is refused', () => {
  const text = lock({
    'node_modules/a': { version: '1.0.0', resolved: 'https://registry.example/a-1.0.0.tgz' },
  });
  expect(checkLockfile(text).kind).toBe('failed');
});
