import type { FastifyInstance } from 'fastify'
import { maskValues } from '#access/mask.ts'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/presets.ts'
import { listPresets, type PresetRow } from '#jobs/presets.sql.ts'
import { removePreset, requirePreset, setPreset } from '#jobs/presets.ts'
import { implement } from '../implement.ts'
import { toWire } from '../wire/words.ts'

const presetWire = (row: PresetRow) => ({
  ...toWire(row),
  environment: maskValues(row.environment),
  built_in: row.updatedAt === null,
})

export function presetRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listPresets, async (_, { projectId }) => ({
    data: (await listPresets(ctx.reads, projectId)).map(presetWire),
    next_cursor: null,
    has_more: false,
  }))
  implement(app, contract.getPreset, async ({ preset }, { projectId }) =>
    presetWire(await requirePreset(ctx, projectId, preset)),
  )
  implement(app, contract.setPreset, async ({ preset: name, ...it }, { projectId, actor }) => {
    const { description, queue, environment } = it
    const preset = { name, description, queue, timeoutSecs: it.timeout_secs, maxAttempts: it.max_attempts, environment }
    return presetWire(await setPreset(ctx, { projectId, actor, preset }))
  })
  implement(app, contract.deletePreset, async ({ preset }, { projectId, actor }) => {
    await removePreset(ctx, { projectId, actor, name: preset })
    return undefined
  })
}
