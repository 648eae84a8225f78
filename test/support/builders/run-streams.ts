// Streams of runs from a node that serves nothing else.
import { onTestFinished } from 'vitest'
import { suiteDatabase } from '#test/support/db.ts'
import { addSteps, type LogRun, moveRun, prepareLog } from '#test/support/log.ts'
import { type Frame, watch } from '#test/support/sse-client.ts'
import { type StreamNode, type StreamNodeOptions, startStreamNode } from '#test/support/stream-node.ts'

/** No test waits for it. */
export const NEVER_MS = 3_600_000

export type Client = ReturnType<typeof watch> & { frames: Frame[]; ids: () => number[] }

/** A database of the test file's own, and what a test of streams does on it. */
export async function streamSuite() {
  const { sql, url } = await suiteDatabase()
  const jobId = await prepareLog(sql)
  return {
    sql,
    url,
    jobId,
    async openNode(options: Partial<StreamNodeOptions> = {}): Promise<StreamNode> {
      const node = await startStreamNode({ url, tickMs: NEVER_MS, log: () => {}, ...options })
      onTestFinished(() => node.close())
      return node
    },
    /** Appends as writers do, and rings after the commit, from whatever process. */
    async step(node: StreamNode, run: LogRun, times = 1): Promise<void> {
      await addSteps(
        sql,
        Array.from({ length: times }, () => run),
      )
      node.bell.ring([`run:${run.runId}`])
    },
    async end(node: StreamNode, run: LogRun): Promise<void> {
      await moveRun(sql, run.runId, 'cancel')
      node.bell.ring([`run:${run.runId}`])
    },
  }
}

export function follow(
  node: StreamNode,
  run: LogRun,
  { path = 'stream', lastEventId }: { path?: string; lastEventId?: string } = {},
): Client {
  const frames: Frame[] = []
  const onFrame = (frame: Frame) => void frames.push(frame)
  const client = watch({
    url: `${node.address}/${run.projectId}/runs/${run.runId}/${path}`,
    key: '',
    lastEventId,
    onFrame,
  })
  onTestFinished(() => client.cut())
  return { ...client, frames, ids: () => frames.map((frame) => Number(frame.id)) }
}

/** The numbers from `first` to `last`. */
export const to = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, i) => first + i)
