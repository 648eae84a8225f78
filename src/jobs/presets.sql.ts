// Presets of a project. One of its own takes the place of the built-in one of the same name.
import { MACHINE_PRESETS, type Preset } from '#core/preset.ts'
import { valuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

/** `updatedAt` is null for one that is built in. */
export type PresetRow = Preset & { updatedAt: Date | null }

const columns = (sql: Db) => sql`
  name,
  description,
  queue,
  timeout_secs as "timeoutSecs",
  max_attempts as "maxAttempts",
  environment,
  updated_at as "updatedAt"`

const builtIn = (preset: Preset): PresetRow => ({ ...preset, updatedAt: null })

export async function findPreset(sql: Db, projectId: string, name: string): Promise<PresetRow | undefined> {
  const [own] = await sql<PresetRow[]>`
    select ${columns(sql)} from presets where project_id = ${projectId} and name = ${name}`
  if (own) return own
  const preset = MACHINE_PRESETS.find((one) => one.name === name)
  return preset && builtIn(preset)
}

/** The built-in ones that the project has not replaced, smallest first, and then its own by name: all of them. */
export async function listPresets(sql: Db, projectId: string): Promise<PresetRow[]> {
  const own = await sql<PresetRow[]>`
    select ${columns(sql)} from presets where project_id = ${projectId} order by name`
  const replaced = new Set(own.map((preset) => preset.name))
  return [...MACHINE_PRESETS.filter((preset) => !replaced.has(preset.name)).map(builtIn), ...own]
}

/** Until the transaction ends nobody else sets a preset of this project. */
export const lockPresets = (tx: Db, projectId: string) =>
  tx`select from projects where id = ${projectId} for no key update`

export async function putPreset(sql: Db, projectId: string, it: Preset): Promise<PresetRow> {
  const [row] = await sql<PresetRow[]>`
    insert into presets ${valuesOf(sql, {
      project_id: projectId,
      name: it.name,
      description: it.description,
      queue: it.queue,
      timeout_secs: it.timeoutSecs,
      max_attempts: it.maxAttempts,
      environment: sql`${JSON.stringify(it.environment)}::text::jsonb`,
    })}
    on conflict (project_id, name) do update set
      description = excluded.description,
      queue = excluded.queue,
      timeout_secs = excluded.timeout_secs,
      max_attempts = excluded.max_attempts,
      environment = excluded.environment,
      updated_at = date_trunc('milliseconds', now())
    returning ${columns(sql)}`
  return row!
}

export async function countPresets(sql: Db, projectId: string): Promise<number> {
  const [row] = await sql<{ n: number }[]>`select count(*)::int as n from presets where project_id = ${projectId}`
  return row!.n
}

export async function deletePreset(sql: Db, projectId: string, name: string): Promise<boolean> {
  const [row] = await sql`delete from presets where project_id = ${projectId} and name = ${name} returning name`
  return row !== undefined
}
