/** Writes at random beside its trees, stores these much too often, and kills itself in the midst of it. Arguments: directory, seed. */

import { openLsmEngine } from '../../src/storage/lsm.ts';
import { SeededRandom } from './seeded-random.ts';
import { isHomeOf, partitions, placeOf, TreeNode } from './tree-node.ts';

const [path, seed] = process.argv.slice(2);
const random = new SeededRandom(Number(seed));
const node = await TreeNode.open(await openLsmEngine({ path: path as string }));
const rounds = random.between(20, 200);
for (let round = 0; round < rounds; round++) {
  // One partition for a while, so that the others are quiet.
  const busy = Math.floor(round / 15) % partitions;
  const around = random.below(400);
  const places = Array.from({ length: 16 }, (_, i) => placeOf(around + i)).filter(
    (place) => isHomeOf(place) && place.partition === busy,
  );
  const writes = places.map((place) => node.put(place, `round ${round}`, { sync: random.percent(30) }));
  node.fire('store');
  if (random.percent(10)) node.fire('rebuild');
  if (random.percent(3)) node.pending.remove(placeOf(random.below(400)), () => true);
  if (random.percent(50)) await Promise.all(writes);
  await new Promise((resolve) => setImmediate(resolve));
}
process.kill(process.pid, 'SIGKILL');
