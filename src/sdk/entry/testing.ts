// The package's entry `runyard/testing`: jobs in memory, and a real server.

export type { FakeAnswer, FakeOptions, GovernedCall, Seen } from '../testing/fake-run.ts'
export { startTestServer, type TestServer, type TestServerOptions } from '../testing/start-test-server.ts'
export { type TestedJob, type TestOutcome, testJob } from '../testing/test-job.ts'
