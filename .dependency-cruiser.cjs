/**
 * Which folder may import which. `docs/architecture/` draws it; this file makes it true:
 *
 *   main -> cli -> node -> {coordinator, replica, membership, handoff, anti-entropy} -> {storage, rpc} -> env -> core
 *
 * `config` and `observe` stand beside: every shell folder may import them, and they import env and core only.
 *
 * Rules say what the author should do instead. `test/fences` plants a violation of each and expects its name.
 * Two traps: dependency-cruiser reads TypeScript 7 only through @swc/core and otherwise cruises nothing and is
 * content, so `tools/check.ts` counts the modules; and it names Node's built-ins without `node:`, so rules about
 * them go by dependency type.
 */

const services = 'coordinator|replica|membership|handoff|anti-entropy';

/** Production sources below `path`: tests may import what they test with. */
const sources = (path) => ({ path, pathNot: '[.]test[.]ts$' });

/** Sources outside of the folders named: what the folder under rule must not reach. */
const outside = (folders) => ({ path: '^src/', pathNot: `^src/(${folders})/` });

const packages = ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown'];

module.exports = {
  forbidden: [
    {
      name: 'core-does-no-io',
      severity: 'error',
      comment: 'core decides and does nothing: pass the effect in from the shell',
      from: sources('^src/core/'),
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'core-imports-no-package',
      severity: 'error',
      comment: 'core imports only itself: pass the function in from the shell, as the ring takes its hash',
      from: sources('^src/core/'),
      to: { dependencyTypes: packages },
    },
    {
      name: 'core-knows-no-shell',
      severity: 'error',
      comment:
        'core imports only itself: declare the interface where it is used, and implement it in the shell',
      from: sources('^src/core/'),
      to: outside('core'),
    },
    {
      name: 'env-stands-on-core',
      severity: 'error',
      comment: 'env is clock, timers, chance, disk and network, and knows nobody who uses them',
      from: sources('^src/env/'),
      to: outside('env|core'),
    },
    {
      name: 'config-stands-on-env',
      severity: 'error',
      comment: 'everybody may import config, so config imports nobody but env and core',
      from: sources('^src/config/'),
      to: outside('config|env|core'),
    },
    {
      name: 'observe-stands-on-env',
      severity: 'error',
      comment: 'everybody may import observe, so observe imports nobody but env and core',
      from: sources('^src/observe/'),
      to: outside('observe|env|core'),
    },
    {
      name: 'storage-stands-on-env',
      severity: 'error',
      comment: 'storage keeps bytes and knows no messages and no services',
      from: sources('^src/storage/'),
      to: outside('storage|config|observe|env|core'),
    },
    {
      name: 'rpc-stands-on-env',
      severity: 'error',
      comment: 'rpc carries messages: what a method does is handed to it by node.ts through an interface',
      from: sources('^src/rpc/'),
      to: outside('rpc|gen|config|observe|env|core'),
    },
    {
      name: 'gen-stands-alone',
      severity: 'error',
      comment: 'src/gen comes from proto and is not edited',
      from: { path: '^src/gen/' },
      to: outside('gen'),
    },
    {
      name: 'services-do-not-meet',
      severity: 'error',
      comment:
        'node.ts introduces the services to each other: declare the interface you need, and let it be passed in',
      from: sources(`^src/(${services})/`),
      to: { path: `^src/(${services})/`, pathNot: '^src/$1/' },
    },
    {
      name: 'nobody-imports-node',
      severity: 'error',
      comment: 'node.ts is the composition root: only the command line builds nodes',
      from: { path: '^src/', pathNot: '^src/(cli/|main[.]ts$)|[.]test[.]ts$' },
      to: { path: '^src/node([.]ts$|/)' },
    },
    {
      name: 'nobody-imports-cli',
      severity: 'error',
      comment: 'the command line is the outermost layer: move what others need inwards',
      from: { path: '^src/', pathNot: '^src/(cli/|main[.]ts$)|[.]test[.]ts$' },
      to: { path: '^src/(cli/|main[.]ts$)' },
    },
    {
      name: 'sources-import-no-tests',
      severity: 'error',
      comment: 'what ships does not depend on tests, benchmarks or tools',
      from: sources('^src/'),
      to: { path: '^(test|bench|tools|examples)/|[.]test[.]ts$' },
    },
    {
      name: 'sources-import-no-dev-dependency',
      severity: 'error',
      comment: 'what ships must be in "dependencies" of package.json',
      from: sources('^src/'),
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'files that need each other are one file, or lack a third that both import',
      from: {},
      to: { circular: true },
    },
    {
      name: 'imports-resolve',
      severity: 'error',
      comment: 'the imported file or package does not exist',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
