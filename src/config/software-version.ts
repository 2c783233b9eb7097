/** The release that this process runs. */

import { readFileSync } from 'node:fs';

/** From package.json, read once. */
export const softwareVersion: string = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string;
  }
).version;
