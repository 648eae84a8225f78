// The package's entry `runyard/worker`: what executes runs, in Node.

export { ChildFailed, WaitTimedOut } from '../steps/wait.ts'
export type { Attempt } from '../worker/attempt.ts'
export { AttemptFailed, AttemptStopped, ReturnRun } from '../worker/lease.ts'
export type { Worker } from '../worker/run-loop.ts'
export { startWorker, type WorkerOptions } from '../worker/start-worker.ts'
