// Reads the tools of servers again when that is due. Safe on every node at once: a server that a node takes is moved on
// in time by the same statement.
import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { SYSTEM } from '#core/event.ts'
import { refreshTools } from './refresh-tools.ts'
import { findNextRefresh, takeDueServers } from './tool-servers.sql.ts'

/** Servers that are read at once. */
const TOGETHER_MAX = 10
/** Longer than connecting and reading may take. */
const HOLD_SECS = 60

export const toolServers = (ctx: Ctx): Duty => ({
  name: 'tool-servers',
  everyMs: 30_000,
  topics: ['tool-servers'],
  async tick() {
    const due = await takeDueServers(ctx.sql, { limit: TOGETHER_MAX, holdSecs: HOLD_SECS })
    await Promise.all(due.map((server) => refreshTools(ctx, server, { actor: SYSTEM })))
    if (due.length === TOGETHER_MAX) return 'again'
    return { inMs: await findNextRefresh(ctx.sql) }
  },
})
