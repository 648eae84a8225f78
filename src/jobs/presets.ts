// Presets: named execution settings that a trigger or a restart selects by name.

import { unmaskValues } from '#access/mask.ts'
import type { Ctx } from '#bell/ctx.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import type { Preset } from '#core/preset.ts'
import { record } from '#log/record.ts'
import type { Db } from '#postgres/sql.ts'
import type { NewRun } from '#run-state/insert/insert-runs.sql.ts'
import { countPresets, deletePreset, findPreset, lockPresets, type PresetRow, putPreset } from './presets.sql.ts'

/** Maximum number of a project's own presets. */
export const PRESETS_MAX = 200

type Asked = Cause & { projectId: string }

/** The timeout and attempts from a preset, for a request that does not set them itself. */
export const timesOf = (preset: Preset | undefined): { timeoutSecs?: number; maxAttempts?: number } => ({
  ...(preset?.timeoutSecs != null && { timeoutSecs: preset.timeoutSecs }),
  ...(preset?.maxAttempts != null && { maxAttempts: preset.maxAttempts }),
})

/** The queue and environment of a run with this preset; a job that Runyard dispatches has only one queue. */
export const settingsOf = (preset: Preset): Pick<NewRun, 'preset' | 'queue' | 'environment'> => ({
  preset: preset.name,
  queue: preset.queue ?? undefined,
  environment: preset.environment,
})

export async function requirePreset(ctx: Pick<Ctx, 'sql'>, projectId: string, name: string): Promise<PresetRow> {
  const preset = await findPreset(ctx.sql, projectId, name)
  if (!preset) throw refuse('preset_not_found', { preset: name })
  return preset
}

/** Creates or replaces a preset; runs that were given the old one keep its settings. */
export const setPreset = (ctx: Ctx, asked: Asked & { preset: Preset }): Promise<PresetRow> =>
  change(ctx, asked, { type: 'preset.set', name: asked.preset.name }, async (tx) => {
    await lockPresets(tx, asked.projectId)
    const before = await findPreset(tx, asked.projectId, asked.preset.name)
    // Masked secrets that are sent back as shown keep their values.
    const unmasked = unmaskValues(asked.preset.environment, before?.environment ?? {})
    if ('problem' in unmasked) throw refuseField('environment', unmasked.problem)
    const row = await putPreset(tx, asked.projectId, { ...asked.preset, environment: unmasked.values })
    if ((await countPresets(tx, asked.projectId)) > PRESETS_MAX)
      throw refuseField('name', `would be one more than the ${PRESETS_MAX} presets that a project may have`)
    return row
  })

/** A built-in preset that the project had replaced applies again afterwards. */
export const removePreset = (ctx: Ctx, asked: Asked & { name: string }): Promise<void> =>
  change(ctx, asked, { type: 'preset.deleted', name: asked.name }, async (tx) => {
    if (!(await deletePreset(tx, asked.projectId, asked.name))) throw refuse('preset_not_found', { preset: asked.name })
  })

function change<T>(
  ctx: Ctx,
  { projectId, actor, correlationId, causationId }: Asked,
  { type, name }: { type: string; name: string },
  write: (tx: Db) => Promise<T>,
): Promise<T> {
  const event = {
    projectId,
    actor,
    correlationId,
    causationId,
    type,
    resourceType: 'preset',
    resourceId: name,
    data: { preset: name },
  }
  return record(ctx, async (tx) => ({ result: await write(tx), events: [event] }))
}
