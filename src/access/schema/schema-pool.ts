// A thread pool for schema checks that may take longer than other callers can wait. A project has at most one check
// in progress: someone who sends an endless schema delays only their own project.
import { Worker } from 'node:worker_threads'
import { schemaQueue, type Waiting } from './schema-queue.ts'
import type { SchemaAnswer, SchemaMessage, SchemaTask } from './schema-thread.ts'

export type PoolOptions = {
  threads: number
  /** CPU time limit of a check: a busy machine slows it down, but does not make it fail. */
  cpuMsMax: number
  /** Wall-clock limit of a check. */
  wallMsMax: number
}

type Thread = {
  worker: Worker
  ready: boolean
  /** CPU time that it had used before the current check. */
  cpuMs: number
  at?: Waiting | undefined
  timer?: NodeJS.Timeout | undefined
}

const HEAP_MB_MAX = 256
/** How often a working thread is checked. */
const LOOK_MS = 250
/** A thread that has not started by then never will. */
const START_MS_MAX = 60_000

export type SchemaPool = { run: (projectId: string, task: SchemaTask) => Promise<SchemaAnswer | 'too_long'> }

export function schemaPool({ threads: threadsMax, ...limits }: PoolOptions): SchemaPool {
  const threads = new Set<Thread>()
  const queue = schemaQueue()
  const busy = () => new Set([...threads].flatMap(({ at }) => at?.projectId ?? []))

  function dispatch(): void {
    for (const thread of threads) {
      const next = thread.ready && !thread.at && queue.take(busy())
      if (next) give(thread, next)
    }
    if (queue.hasTurn(busy()) && threads.size < threadsMax && [...threads].every((it) => it.at)) start()
  }

  function give(thread: Thread, next: Waiting): void {
    thread.at = next
    thread.worker.ref()
    const isTooLong = timeBound(thread, limits)
    thread.timer = setInterval(async () => {
      const late = await isTooLong()
      if (!late || thread.at !== next) return
      next.resolve('too_long')
      end(thread)
    }, LOOK_MS)
    thread.worker.postMessage(next.task)
  }

  function start(): void {
    const worker = startWorker()
    const thread: Thread = { worker, ready: false, cpuMs: 0 }
    threads.add(thread)
    thread.timer = setTimeout(() => fail(thread, new Error('a thread for schemas did not start')), START_MS_MAX)
    worker.on('message', ({ answer, cpuMs }: SchemaMessage) => {
      clearTimeout(thread.timer)
      const done = thread.at
      Object.assign(thread, { ready: true, cpuMs, at: undefined })
      // It must not keep a process alive that has nothing else to do.
      worker.unref()
      if (answer) done?.resolve(answer)
      dispatch()
    })
    worker.on('error', (error: Error & { code?: string }) => {
      // Its memory is limited, and the check exceeded the limit.
      if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') thread.at?.resolve('too_long')
      fail(thread, error)
    })
    worker.on('exit', () => fail(thread, new Error('a thread for schemas ended')))
  }

  /**
   * Ends a thread. If it never started, the checks that wait for one fail too; otherwise they would wait for the next
   * such one.
   */
  function fail(thread: Thread, error: Error): void {
    if (!threads.has(thread)) return
    thread.at?.reject(error)
    if (!thread.ready) queue.rejectAll(error)
    end(thread)
  }

  function end(thread: Thread): void {
    clearTimeout(thread.timer)
    threads.delete(thread)
    void thread.worker.terminate()
    dispatch()
  }

  return {
    async run(projectId, task) {
      const { promise, resolve, reject } = Promise.withResolvers<SchemaAnswer | 'too_long'>()
      queue.put({ projectId, task, resolve, reject })
      dispatch()
      return promise
    },
  }
}

const startWorker = (): Worker =>
  new Worker(new URL('./schema-thread.ts', import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
  })

/** From now on: whether the check that the thread begins has taken more than it may. */
function timeBound({ worker, cpuMs }: Thread, { cpuMsMax, wallMsMax }: Omit<PoolOptions, 'threads'>) {
  const beganMs = performance.now()
  return async (): Promise<boolean> =>
    (await cpuMsOf(worker)) - cpuMs >= cpuMsMax || performance.now() - beganMs >= wallMsMax
}

async function cpuMsOf(worker: Worker): Promise<number> {
  const { user, system } = await worker.cpuUsage().catch(() => ({ user: 0, system: 0 }))
  return (user + system) / 1000
}
