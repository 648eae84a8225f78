// Threads that check values under schemas, for what may take longer than everybody else can wait. None has more than one
// check of a project under way: whoever brings a schema that takes for ever makes only its own project wait.
import { Worker } from 'node:worker_threads'
import { schemaQueue, type Waiting } from './schema-queue.ts'
import type { SchemaAnswer, SchemaMessage, SchemaTask } from './schema-thread.ts'

export type PoolOptions = {
  threads: number
  /** Processor time that a check may take: a busy machine makes it wait, and does not make it fail. */
  cpuMsMax: number
  /** What it may take all in all. */
  wallMsMax: number
}

type Thread = {
  worker: Worker
  ready: boolean
  /** Processor time that it had used before what it is at now. */
  cpuMs: number
  at?: Waiting | undefined
  timer?: NodeJS.Timeout | undefined
}

const HEAP_MB_MAX = 256
/** How often a thread at work is looked at. */
const LOOK_MS = 250
/** A thread that has not begun by then is not going to. */
const START_MS_MAX = 60_000

export type SchemaPool = { run: (projectId: string, task: SchemaTask) => Promise<SchemaAnswer | 'too_long'> }

export function schemaPool({ threads: threadsMax, cpuMsMax, wallMsMax }: PoolOptions): SchemaPool {
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
    const beganMs = performance.now()
    thread.timer = setInterval(async () => {
      const usedMs = (await cpuMsOf(thread.worker)) - thread.cpuMs
      if (thread.at !== next || (usedMs < cpuMsMax && performance.now() - beganMs < wallMsMax)) return
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
      // Its memory was bounded, and the check needed more.
      if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') thread.at?.resolve('too_long')
      fail(thread, error)
    })
    worker.on('exit', () => fail(thread, new Error('a thread for schemas ended')))
  }

  /** Ends a thread. One that never began takes those who wait with it, who would otherwise wait for the next such one. */
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

async function cpuMsOf(worker: Worker): Promise<number> {
  const { user, system } = await worker.cpuUsage().catch(() => ({ user: 0, system: 0 }))
  return (user + system) / 1000
}
