import { openEngine } from '../../src/storage/open-engine.ts';
import { engineSuite } from './engine-suite.ts';

engineSuite('memory', openEngine, { persistent: false });
engineSuite('lsm', openEngine, { persistent: true });
engineSuite('btree', openEngine, { persistent: true });
