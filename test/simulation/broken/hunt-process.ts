/** The process that hunt.ts starts: `hunt-process.ts VERSION FROM TO`, with an empty VERSION for the store as it is. */

import type { HuntLine } from './hunt.ts';
import { applyBrokenVersion } from './register.ts';

const [version = '', from, to] = process.argv.slice(2);
await hunt(version, Number(from), Number(to));

async function hunt(name: string, from: number, to: number): Promise<void> {
  const applied = name === '' ? undefined : applyBrokenVersion(name);
  const { runSeed } = await import('../simulation.ts');
  const { planOf } = await import('../plan/generate-plan.ts');
  const notLoaded = applied?.notLoaded() ?? [];
  // A patch in a file that the simulation does not load would be looked for in vain.
  if (notLoaded.length > 0) throw new Error(`the simulation does not load ${notLoaded.join(', ')}`);
  for (let seed = from; seed <= to; seed++) {
    say({ begins: seed });
    const { violations, crash } = await runSeed(planOf(seed));
    if (violations.length === 0 && crash === undefined) continue;
    const checkers = new Set(violations.map(({ checker }) => checker));
    if (crash !== undefined) checkers.add('crash');
    const message = violations[0]?.message ?? crash ?? '';
    say({ sighted: { seed, checkers: [...checkers], message } });
    return;
  }
  say({ ended: true });
}

function say(line: HuntLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
