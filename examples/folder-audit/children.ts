// Sub-folders are audited by runs of their own, children of this one. They are begun early and waited for at the end.
import { setTimeout as delay } from 'node:timers/promises'
import { ReturnRun } from '#sdk/worker/lease.ts'
import type { Audit } from './audit.ts'
import { count } from './findings.ts'
import type { AuditResult, Results } from './results.ts'
import type { Done } from './steps.ts'
import { byMost, roomOf } from './tools/source-file.ts'

const CHILDREN_MAX = 12
const LOOK_EVERY_MS = 300
/** With nothing moving for so long, this run makes room: the children may be waiting for its very place. */
const STILL_MS_MAX = 3_000
const WAIT_MS_MAX = 10 * 60_000

export async function spawnChildren({ payload, handling, of }: Audit): Promise<Done<Results['spawn']>> {
  const { attempt, run } = handling
  const rooms = [...Map.groupBy(of('list').files, ({ path }) => roomOf(path))]
    .filter(([room]) => room !== '.')
    .map(([room, files]) => ({ room, files: files.length }))
    .sort(
      byMost(
        (it) => it.files,
        (it) => it.room,
      ),
    )
  const children: Results['spawn']['children'] = []
  for (const { room } of rooms.slice(0, CHILDREN_MAX)) {
    const folder = `${payload.folder.replace(/\/+$/, '')}/${room}`
    const child = await attempt.spawn({
      job: run.job_slug,
      payload: { folder, parent: run.id, pace_ms: payload.paceMs },
      // Before other audits, which would only spawn more.
      priority: Math.min(10, run.priority + 1),
      // An attempt that was killed in the middle of this finds those that it has spawned.
      idempotency_key: `${run.id}:${folder}`,
    })
    children.push({ folder, runId: child.id })
  }
  const leftOut = rooms.length - children.length
  const thought = children.length > 0 ? `${count(children.length, 'sub-folder')} are now audited by themselves.` : ''
  const output = { children: children.map((child) => child.folder), left_out: leftOut }
  return { result: { children, leftOut }, input: { sub_folders: rooms.length }, output, thought }
}

export async function collectChildren({ handling, client, of }: Audit): Promise<Done<Results['collect']>> {
  const { children } = of('spawn')
  const input = { children: children.length }
  if (children.length === 0) return { result: { children: [] }, input, output: { completed: 0 } }
  await waitFor(new Set(children.map((child) => child.runId)), handling)
  const summaries = await Promise.all(
    children.map(async ({ folder, runId }) => {
      const { status, result } = await client.getRun({ run_id: runId, include: ['result'] })
      return { folder, runId, status, result: status === 'completed' ? (result as AuditResult) : null }
    }),
  )
  const completed = summaries.filter((child) => child.result !== null).length
  const findings = summaries.reduce((sum, child) => sum + (child.result?.findings.length ?? 0), 0)
  return {
    result: { children: summaries },
    input,
    output: { completed, findings },
    thought: `${completed} of ${count(children.length, 'part')} came back, with ${count(findings, 'finding')}.`,
  }
}

/** Until all are over. One that never ends is not waited for for ever: the report says how it stands. */
async function waitFor(runIds: ReadonlySet<string>, { attempt, signal }: Audit['handling']): Promise<void> {
  const untilMs = performance.now() + WAIT_MS_MAX
  let stood = ''
  let movedAtMs = performance.now()
  while (performance.now() < untilMs) {
    const { data } = await attempt.children({ limit: 500 })
    const own = data.filter((child) => runIds.has(child.id))
    if (own.length === runIds.size && own.every((child) => child.finished_at !== null)) return
    const stands = own.map((child) => `${child.id} ${child.status} ${child.last_sequence}`).join()
    if (stands !== stood) movedAtMs = performance.now()
    stood = stands
    if (performance.now() - movedAtMs > STILL_MS_MAX && own.some((child) => child.status === 'queued')) {
      throw new ReturnRun('its parts wait for a place to run')
    }
    await delay(LOOK_EVERY_MS, undefined, { signal })
  }
}
