import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'examples/**/*.test.ts', 'web/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/answers-documented.ts', 'test/json-equality.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two workers: the product is measured on two cores, and every worker shares one PostgreSQL.
    maxWorkers: 2,
  },
})
