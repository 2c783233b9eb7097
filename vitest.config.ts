/**
 * Every kind of test is a project, with the time-outs its kind needs. `npm test` runs them all;
 * `npx vitest run --project property` runs one, and a path after it one file.
 */
import type { ViteUserConfig } from 'vitest/config';

/** In CI a test that was left focused, or a snapshot that was never committed, is a failure. */
const isContinuousIntegration = Boolean(process.env['CI']);

const config: ViteUserConfig = {
  test: {
    // Each file in a process of its own: native stores and gRPC servers are not shared between worker threads, and a
    // crash of one file is reported as the failure of that file.
    pool: 'forks',
    // A test that waits for what never comes ends here, and its process with it.
    testTimeout: 10_000,
    hookTimeout: 10_000,
    teardownTimeout: 30_000,
    allowOnly: !isContinuousIntegration,
    passWithNoTests: false,
    reporters: ['default'],
    coverage: { provider: 'v8', include: ['src/**/*.ts'], exclude: ['src/gen/**', 'src/**/*.test.ts'] },
    // Those that start clusters come one after the other, and after all the rest (`groupOrder`): they need the machine.
    projects: [
      { extends: true, test: { name: 'unit', include: ['{src,tools,bench}/**/*.test.ts'] } },
      // Laws of the core, against random histories.
      {
        extends: true,
        test: { name: 'property', include: ['test/property/**/*.test.ts'], testTimeout: 60_000 },
      },
      // Golden scenarios: text files that hold commands and their output.
      {
        extends: true,
        test: { name: 'scenario', include: ['test/scenario/**/*.test.ts'], testTimeout: 30_000 },
      },
      // The random model of a record, in the size that fits the tests. `npm run model` is the large one.
      { extends: true, test: { name: 'model', include: ['test/model/**/*.test.ts'], testTimeout: 120_000 } },
      // The simulator with its checkers and clients. `npm run simulate` is the large campaign.
      {
        extends: true,
        test: {
          name: 'simulation',
          include: ['test/{checkers,workload,simulation,membership}/**/*.test.ts'],
          testTimeout: 120_000,
        },
      },
      // One suite per interface to the world, passed by every implementation.
      {
        extends: true,
        test: { name: 'acceptance', include: ['test/acceptance/**/*.test.ts'], testTimeout: 60_000 },
      },
      // The fences must fail on a planted violation.
      {
        extends: true,
        test: {
          name: 'fences',
          include: ['test/fences/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      // The client for TypeScript: against nodes that answer as the test says, and against a real cluster.
      {
        extends: true,
        test: {
          name: 'client',
          sequence: { groupOrder: 2 },
          include: ['clients/typescript/test/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      // Real processes, real disks, real sockets: one file at a time, so that they do not disturb each other's time.
      {
        extends: true,
        test: {
          name: 'integration',
          sequence: { groupOrder: 1 },
          include: ['test/integration/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      // The clients of all languages that this machine can run, on one real cluster, one after the other.
      {
        extends: true,
        test: {
          name: 'conformance',
          sequence: { groupOrder: 3 },
          include: ['clients/conformance/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
};

export default config;
