/** Relative links in the documentation lead to a file that exists, and to a heading in it. */

import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = globSync(
  ['*.md', '{docs,proto,bench,test,.github}/**/*.md', 'clients/{*.md,conformance/*.md}'],
  { cwd: root },
).sort();

test('there are pages', () => {
  expect(pages).toContain('README.md');
  expect(pages).toContain(join('docs', 'architecture.md'));
});

test.each(pages)('%s', (page) => {
  expect(brokenLinks(page)).toEqual([]);
});

function brokenLinks(page: string): string[] {
  const text = withoutCode(readFileSync(join(root, page), 'utf8'));
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1] as string)
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [path = '', heading] = link.split('#');
      const target = path === '' ? page : normalize(join(dirname(page), decodeURIComponent(path)));
      if (!existsSync(join(root, target))) return true;
      return heading !== undefined && !headingsOf(target).has(heading);
    });
}

/** Anchors as GitHub makes them. */
function headingsOf(page: string): ReadonlySet<string> {
  const text = withoutCode(readFileSync(join(root, page), 'utf8'));
  return new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map((match) =>
      (match[1] as string)
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```.*?^```/gms, '');
}
