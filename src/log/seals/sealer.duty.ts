// The log is sealed, a window at a time. It does not listen for rings: a window is closed by its age, so that being
// woken by every event would find nothing to do but cost a statement each time.
import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { sealNextWindow } from './seal-log.ts'

/** Safe on every node at once: who does not get the lock passes. */
export const sealer = (ctx: Ctx): Duty => ({
  name: 'sealer',
  everyMs: 10_000,
  async tick() {
    const { outcome, dueInMs } = await sealNextWindow(ctx)
    // On a server that does not tell which one it is. To fail would take the node out of service for it.
    if (outcome === 'ahead')
      ctx.log.error('the log cannot be sealed: see "Servers that do not say who they are" in docs/backup.md')
    return outcome === 'sealed' ? 'again' : { inMs: dueInMs }
  },
})
