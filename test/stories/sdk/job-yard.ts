// Jobs of the SDK on a real node.
import { onTestFinished } from 'vitest'
import { type Client, createClient } from '#sdk/client.ts'
import type { AnyJob } from '#sdk/job/job.ts'
import { startWorker, type WorkerOptions } from '#sdk/worker/start-worker.ts'
import { httpYard, KEY } from '../../support/http-yard.ts'

export type JobYard = {
  client: Client
  address: string
  url: string
  /** A worker with these jobs, which it registers; it is gone when the test is finished. */
  work: (jobs: readonly AnyJob[], more?: Partial<WorkerOptions>) => ReturnType<typeof startWorker>
  /** What the workers said. */
  lines: string[]
}

export async function jobYard(env: Record<string, string> = {}): Promise<JobYard> {
  const { address, url } = await httpYard(env)
  const client = createClient({ baseUrl: address, credential: KEY })
  const lines: string[] = []
  const say = (line: string) => void lines.push(line)
  return {
    client,
    address,
    url,
    lines,
    work(jobs, more = {}) {
      const log = { info: say, warn: say }
      const worker = startWorker({ client, jobs, register: true, closeOn: [], log, leaseSecs: 5, ...more })
      onTestFinished(() => worker.close())
      return worker
    },
  }
}
