/** Started before a node, it has the node load the server with a bug: `node --import './clients/conformance/mutate.ts?name=NAME'`. */

import { applyVersion } from '../../test/simulation/broken/apply-version.ts';
import { mutationOf } from './mutations.ts';

const name = new URL(import.meta.url).searchParams.get('name');
if (name !== null) applyVersion(mutationOf(name));
