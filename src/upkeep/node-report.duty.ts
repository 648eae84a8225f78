// Each node says how its duties are and how full its disk is, so that rules of alerts, which any node looks at, know it
// of all of them.
import type { Ctx } from '#bell/ctx.ts'
import { type Duty, type DutyHealth, lateMs } from '#bell/loop.ts'
import { readDisk } from '#insight/disk.ts'
import { forgetNode, reportNode } from '#insight/node-reports.sql.ts'

const REPORT_MS = 10_000
/** A tick may take a moment. */
const LATE_MS_MIN = 1_000

type Reporter = { duty: Duty; stop: () => Promise<void> }
type Options = { node: string; databaseFolder: string | undefined; health: () => readonly DutyHealth[] }

export function makeNodeReporter(ctx: Ctx, { node, databaseFolder, health }: Options): Reporter {
  const lateDuties = () =>
    health()
      .map((it) => ({ duty: it.name, lateMs: lateMs(it, performance.now()) }))
      .filter((it) => it.lateMs >= LATE_MS_MIN)
      .map((it) => ({ duty: it.duty, lateSecs: Math.round(it.lateMs / 1_000) }))
  return {
    duty: {
      name: 'node-report',
      everyMs: REPORT_MS,
      async tick() {
        const disk = databaseFolder === undefined ? undefined : await readDisk(databaseFolder)
        await reportNode(ctx.sql, { node, lateDuties: lateDuties(), disk })
        return { inMs: undefined }
      },
    },
    // Its database may be gone already, and in a minute nobody believes the report any more.
    stop: () =>
      forgetNode(ctx.sql, node).then(
        () => {},
        () => {},
      ),
  }
}
