// Threads that check values under schemas, for what may take longer than everybody else can wait. Projects take turns,
// and none has more than one check under way while there are two threads: whoever brings a schema that takes for ever
// makes only its own project wait.
import { Worker } from 'node:worker_threads'
import { refuse } from '#core/error.ts'
import type { SchemaAnswer, SchemaMessage, SchemaTask } from './schema-thread.ts'

export type PoolOptions = {
  threads: number
  /** Processor time that a check may take: a busy machine makes it wait, and does not make it fail. */
  cpuMsMax: number
  /** What it may take all in all. */
  wallMsMax: number
}

type Waiting = {
  projectId: string
  task: SchemaTask
  resolve: (answer: SchemaAnswer | 'too_long') => void
  reject: (error: unknown) => void
}
type Queue = { items: Waiting[]; characters: number }
type Thread = {
  worker: Worker
  ready: boolean
  /** Processor time that it had used before what it is at now. */
  cpuMs: number
  at?: Waiting | undefined
  timer?: NodeJS.Timeout | undefined
}

/** Checks of one project that wait, and characters of what they check. */
const WAITING_MAX = 2_000
const CHARACTERS_MAX = 32 * 1024 * 1024
/** Characters of all that wait. */
const ALL_CHARACTERS_MAX = 256 * 1024 * 1024
const HEAP_MB_MAX = 256
/** How often a thread at work is looked at. */
const LOOK_MS = 250
/** A thread that has not begun by then is not going to. */
const START_MS_MAX = 60_000

export type SchemaPool = { run: (projectId: string, task: SchemaTask) => Promise<SchemaAnswer | 'too_long'> }

export function schemaPool({ threads: threadsMax, cpuMsMax, wallMsMax }: PoolOptions): SchemaPool {
  const threads = new Set<Thread>()
  /** By project, the one whose turn it is first. */
  const waiting = new Map<string, Queue>()
  let characters = 0

  function run(projectId: string, task: SchemaTask): Promise<SchemaAnswer | 'too_long'> {
    const { promise, resolve, reject } = Promise.withResolvers<SchemaAnswer | 'too_long'>()
    const queue = waiting.get(projectId) ?? { items: [], characters: 0 }
    const size = sizeOf(task)
    const isFull = queue.items.length >= WAITING_MAX || queue.characters + size > CHARACTERS_MAX
    if (isFull || characters + size > ALL_CHARACTERS_MAX)
      throw refuse('overloaded', { what: 'The queue of schema checks', retryAfterMs: 1000 })
    queue.items.push({ projectId, task, resolve, reject })
    queue.characters += size
    characters += size
    waiting.set(projectId, queue)
    dispatch()
    return promise
  }

  function dispatch(): void {
    for (const thread of threads) {
      if (!thread.ready || thread.at) continue
      const next = take()
      if (next) give(thread, next)
    }
    if (whoseTurn() !== undefined && threads.size < threadsMax && [...threads].every((it) => it.at)) start()
  }

  function whoseTurn(): string | undefined {
    const busy = new Set([...threads].map((it) => it.at?.projectId))
    return [...waiting.keys()].find((projectId) => !busy.has(projectId))
  }

  function take(): Waiting | undefined {
    const projectId = whoseTurn()
    if (projectId === undefined) return undefined
    const queue = waiting.get(projectId)!
    const next = queue.items.shift()!
    const size = sizeOf(next.task)
    queue.characters -= size
    characters -= size
    // The project goes to the end of the line.
    waiting.delete(projectId)
    if (queue.items.length > 0) waiting.set(projectId, queue)
    return next
  }

  function give(thread: Thread, next: Waiting): void {
    thread.at = next
    thread.worker.ref()
    const beganMs = performance.now()
    thread.timer = setInterval(async () => {
      const { user, system } = await thread.worker.cpuUsage().catch(() => ({ user: 0, system: 0 }))
      const usedMs = (user + system) / 1000 - thread.cpuMs
      if (thread.at !== next || (usedMs < cpuMsMax && performance.now() - beganMs < wallMsMax)) return
      next.resolve('too_long')
      end(thread)
    }, LOOK_MS)
    thread.worker.postMessage(next.task)
  }

  function start(): void {
    const worker = new Worker(new URL('./schema-thread.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    })
    const thread: Thread = { worker, ready: false, cpuMs: 0 }
    threads.add(thread)
    thread.timer = setTimeout(() => fail(thread, new Error('a thread for schemas did not start')), START_MS_MAX)
    worker.on('message', ({ answer, cpuMs }: SchemaMessage) => {
      clearTimeout(thread.timer)
      thread.ready = true
      thread.cpuMs = cpuMs
      const done = thread.at
      thread.at = undefined
      // It must not keep a process alive that has nothing else to do.
      worker.unref()
      if (answer) done?.resolve(answer)
      dispatch()
    })
    worker.on('error', (error: Error & { code?: string }) => {
      // Its memory was bounded, and the check needed more.
      if (thread.at && error.code === 'ERR_WORKER_OUT_OF_MEMORY') thread.at.resolve('too_long')
      fail(thread, error)
    })
    worker.on('exit', () => fail(thread, new Error('a thread for schemas ended')))
  }

  /** Ends a thread. One that never began takes those who wait with it, who would otherwise wait for the next such one. */
  function fail(thread: Thread, error: Error): void {
    if (!threads.has(thread)) return
    thread.at?.reject(error)
    if (!thread.ready) {
      for (const { items } of waiting.values()) for (const one of items) one.reject(error)
      waiting.clear()
      characters = 0
    }
    end(thread)
  }

  function end(thread: Thread): void {
    clearTimeout(thread.timer)
    threads.delete(thread)
    void thread.worker.terminate()
    dispatch()
  }

  return { run }
}

const sizeOf = ({ schemaText, value }: SchemaTask): number => schemaText.length + (value?.text?.length ?? 0)
