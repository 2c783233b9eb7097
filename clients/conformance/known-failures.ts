/** Cases that a client is known to fail, with the reason, in known-failures.json: `{"go": {"group: case": "why"}}`. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type Language, languages } from './languages.ts';

const shape: z.ZodType<Partial<Record<Language, KnownFailures>>> = z.partialRecord(
  z.enum(languages),
  z.record(z.string(), z.string()),
);

export type KnownFailures = Readonly<Record<string, string>>;

/** Those of one client, by the title of the case. */
export function knownFailuresOf(language: Language): KnownFailures {
  const text = readFileSync(join(import.meta.dirname, 'known-failures.json'), 'utf8');
  return shape.parse(JSON.parse(text))[language] ?? {};
}
