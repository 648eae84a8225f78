// A worker: executes the runs of the jobs that it is given.
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { AnyJob, RunnableJob } from '../job/job.ts'
import { type Registration, registerJobs } from '../job/register-jobs.ts'
import { type RunOptions, runJob } from '../job/run-job.ts'
import type { Handling } from './execute.ts'
import { ReturnRun } from './lease.ts'
import { type RunLoopOptions, startRunLoop, type Worker } from './run-loop.ts'

/** What a worker executes, and how much of it at once. */
export type WorkerOptions = RunOptions &
  Omit<RunLoopOptions<unknown>, 'workerId' | 'queues' | 'concurrency' | 'handle' | 'prepare'> & {
    jobs: readonly AnyJob[]
    /** Concurrent runs; 10 unless set. */
    concurrency?: number
    /**
     * Tells the server about the jobs before the first claim: creates the missing ones, and with true also changes those
     * that differ, which is logged. Off unless set; needs the scope jobs:write.
     */
    register?: Registration | false
    /** Unique among running workers; made of the machine and the process unless set. */
    workerId?: string
    /** Queues to claim from; those of the jobs unless set. */
    queues?: string[]
    /** Where the worker writes what it does; the console unless set. */
    log?: { info: (line: string) => void; warn: (line: string) => void }
  }

const QUEUES_MAX = 64
/** A run of an unknown job is held for this long, so that it does not go round and round between queue and worker. */
const UNKNOWN_MS = 1_000

let started = 0

/**
 * Starts a worker, which claims runs of these jobs until it is closed: by `close()`, or by SIGTERM or SIGINT. Throws
 * RangeError for more queues than one claim takes.
 */
export function startWorker(options: WorkerOptions): Worker {
  const { client, jobs, register = false, middleware, log = console } = options
  const byName = jobsByName(jobs)
  const queues = options.queues ?? [...new Set(jobs.map((job) => job.definition.queue))]
  if (queues.length > QUEUES_MAX) {
    throw new RangeError(
      `${queues.length} queues are too many for a worker, which claims from ${QUEUES_MAX} at most: ` +
        'give some of the jobs the same queue',
    )
  }

  async function handle(handling: Handling<unknown>): Promise<unknown> {
    const job = byName.get(handling.run.job_slug)
    if (job) return runJob(job, handling, middleware ? { middleware } : {})
    const { job_slug, queue, id } = handling.run
    log.warn(`Run ${id} of job ${job_slug} goes back to queue ${queue}: this worker does not have the job`)
    await delay(UNKNOWN_MS, undefined, { signal: handling.signal })
    throw new ReturnRun()
  }

  return startRunLoop({
    workerId: `${hostname()}-${process.pid}-${++started}`,
    concurrency: 10,
    onError: (error) => log.warn(`Worker: ${error instanceof Error ? error.message : String(error)}`),
    ...options,
    queues,
    handle,
    ...(register && { prepare: async () => void (await registerJobs(client, jobs, { registration: register, log })) }),
  })
}

function jobsByName(jobs: readonly AnyJob[]): Map<string, RunnableJob> {
  if (jobs.length === 0) throw new TypeError('A worker needs at least one job')
  const byName = new Map<string, RunnableJob>()
  for (const { name, definition } of jobs) {
    if (byName.has(name)) throw new TypeError(`Two jobs are named ${name}`)
    byName.set(name, definition)
  }
  return byName
}
