// As much of the peers' types as the benches use, so that the product is type-checked without installing them.

declare module 'graphile-worker' {
  export class Logger {
    constructor(factory: () => () => void)
  }
  type Options = {
    connectionString: string
    preset?: object
    logger?: Logger
    noHandleSignals?: boolean
    taskList?: Record<string, () => void>
  }
  export function runMigrations(options: Options): Promise<void>
  export function makeWorkerUtils(options: Options): Promise<{
    addJobs(jobs: { identifier: string; payload: object }[]): Promise<unknown>
    release(): Promise<void>
  }>
  export function run(options: Options): Promise<{ stop(): Promise<void> }>
}

declare module 'pg-boss' {
  export class PgBoss {
    constructor(options: object)
    on(event: 'error', listener: (error: Error) => void): void
    start(): Promise<unknown>
    stop(options?: object): Promise<void>
    createQueue(name: string): Promise<void>
    insert(queue: string, jobs: { data: object }[]): Promise<unknown>
    fetch(queue: string, options: { batchSize: number }): Promise<{ id: string }[]>
    complete(queue: string, ids: string[]): Promise<unknown>
  }
}

declare module 'bullmq' {
  type Connection = { host: string; port: number; maxRetriesPerRequest: null }
  export class Queue {
    constructor(name: string, options: { connection: Connection; defaultJobOptions?: object })
    addBulk(jobs: { name: string; data: object }[]): Promise<unknown>
    waitUntilReady(): Promise<unknown>
    close(): Promise<void>
  }
  export class Worker {
    constructor(name: string, processor: () => Promise<void>, options: object)
    on(event: 'completed' | 'error', listener: (what: unknown) => void): void
    run(): Promise<void>
    waitUntilReady(): Promise<unknown>
    close(): Promise<void>
  }
}
