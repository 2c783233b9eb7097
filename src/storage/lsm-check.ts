/**
 * Judges the files of a LevelDB before it is opened. LevelDB opens a damaged store as well as it can, and what it cannot read
 * is gone silently; a replica must know that it forgot something. So whatever LevelDB would drop is found here first.
 */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { damagedError } from './engine-failure.ts';
import { readLog } from './lsm-log.ts';
import { liveFilesIn } from './lsm-manifest.ts';
import { tableDamage } from './lsm-table.ts';

/**
 * Throws EngineError `damaged` naming the file when something is missing or unreadable. `tailDropped` when a log ends in a
 * half-written entry, which LevelDB will drop. With `tables` every table block is read and its checksum compared.
 */
export async function checkLsmFiles(
  folder: string,
  options: { readonly tables: boolean },
): Promise<{ readonly tailDropped: boolean }> {
  const names = new Set(await readdir(folder).catch(() => []));
  if (!names.has('CURRENT')) {
    // LevelDB would make an empty store over them. (A store whose making was cut short has neither.)
    const data = [...names].find((name) => /\.(log|ldb|sst)$/.test(name));
    if (data !== undefined) throw damagedError(folder, `it has ${data} but no file CURRENT`);
    return { tailDropped: false };
  }
  const current = /^(MANIFEST-\d+)\n$/.exec(await readFile(join(folder, 'CURRENT'), 'latin1'))?.[1];
  if (current === undefined || !names.has(current))
    throw damagedError(folder, 'CURRENT names no manifest that is there');

  const manifest = readLog(await readFile(join(folder, current)));
  const live = manifest.state === 'damaged' ? undefined : liveFilesIn(manifest.entries);
  if (live === undefined) throw damagedError(folder, `${current} has unreadable entries`);

  // A log is deleted only after the manifest has named its successor, so the log it names is always there. With a torn
  // manifest this tells a crash while it was appended to (the log remains) from a lost entry (the log is gone).
  const logNames = [...names].filter(
    (name) => name.endsWith('.log') && Number.parseInt(name, 10) >= live.logNumber,
  );
  if (!logNames.some((name) => Number.parseInt(name, 10) === live.logNumber)) {
    throw damagedError(folder, `the log ${live.logNumber} that ${current} names is missing`);
  }
  let tailDropped = manifest.state === 'torn';
  for (const name of logNames) {
    const { state } = readLog(await readFile(join(folder, name)));
    if (state === 'damaged')
      throw damagedError(join(folder, name), 'entries in the midst of the log are unreadable');
    tailDropped ||= state === 'torn';
  }

  for (const [number, bytes] of live.tables) {
    const name = [`${String(number).padStart(6, '0')}.ldb`, `${String(number).padStart(6, '0')}.sst`].find(
      (file) => names.has(file),
    );
    if (name === undefined) throw damagedError(folder, `table ${number} is missing`);
    if (!options.tables) continue;
    const table = await readFile(join(folder, name));
    const damage =
      table.length === bytes ? tableDamage(table) : `${table.length} bytes long instead of ${bytes}`;
    if (damage !== undefined) throw damagedError(join(folder, name), damage);
  }
  return { tailDropped };
}
