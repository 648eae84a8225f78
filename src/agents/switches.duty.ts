// The switches of agents, again and again while one is off: what was queued or claimed at the very moment of a switch
// is held and stopped within a second.

import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { anyAgentOff } from './agent-switch.sql.ts'
import { enforceSwitches } from './agents.ts'

const ENFORCE_EVERY_MS = 500

/** Safe on every node at once: what is held or stopped is not again. */
export const switches = (ctx: Ctx): Duty => ({
  name: 'switches',
  everyMs: 10_000,
  topics: ['switches'],
  async tick() {
    if (!(await anyAgentOff(ctx.sql))) return { inMs: undefined }
    await enforceSwitches(ctx)
    return { inMs: ENFORCE_EVERY_MS }
  },
})
