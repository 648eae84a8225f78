// Enforces the kill switch repeatedly while an agent is disabled: runs queued or claimed at the very moment of the
// switch are held and stopped within a second.

import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { anyAgentOff } from './agent-switch.sql.ts'
import { enforceSwitches } from './agents.ts'

const ENFORCE_EVERY_MS = 500

/** Safe on every node at once: what is held or stopped is not processed again. */
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
