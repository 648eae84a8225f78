// API keys. A key itself is nowhere: the table knows the SHA-256 of it and a readable prefix.
import { valuesOf } from '#postgres/rows.ts'
import type { Db, Sql } from '#postgres/sql.ts'

export type KeyRow = {
  id: string
  projectId: string
  name: string
  prefix: string
  scopes: string[]
  rateLimitPerMinute: number | null
  createdAt: Date
  createdBy: string | null
  expiresAt: Date | null
  revokedAt: Date | null
  rotatedTo: string | null
  lastUsedAt: Date | null
}

const columns = (sql: Db) => sql`
  id,
  project_id as "projectId",
  name,
  prefix,
  scopes,
  rate_limit_per_minute as "rateLimitPerMinute",
  created_at as "createdAt",
  created_by as "createdBy",
  expires_at as "expiresAt",
  revoked_at as "revokedAt",
  rotated_to as "rotatedTo",
  last_used_at as "lastUsedAt"`

/** The key with this hash while it is valid, and for how long it still is (null: without end). */
export async function findValidKey(
  sql: Db,
  hash: Buffer,
): Promise<(KeyRow & { validForMs: number | null }) | undefined> {
  const [row] = await sql<(KeyRow & { validForMs: number | null })[]>`
    select ${columns(sql)}, extract(epoch from expires_at - now())::float8 * 1000 as "validForMs"
    from api_keys
    where hash = ${hash}
      and revoked_at is null
      and (expires_at is null or expires_at > now())`
  return row
}

export type NewKey = {
  id: string
  projectId: string
  name: string
  prefix: string
  hash: Buffer
  scopes: readonly string[]
  rateLimitPerMinute?: number | null | undefined
  /** Never, when neither is given. */
  expiresInSecs?: number | undefined
  expiresAt?: Date | null | undefined
  createdBy: string | null
}

/** Undefined when a key with this hash is there already: a bootstrap key that an earlier start made. */
export async function insertKey(sql: Db, key: NewKey): Promise<KeyRow | undefined> {
  const [row] = await sql<KeyRow[]>`
    insert into api_keys ${valuesOf(sql, {
      id: key.id,
      project_id: key.projectId,
      name: key.name,
      prefix: key.prefix,
      hash: key.hash,
      scopes: key.scopes as string[],
      rate_limit_per_minute: key.rateLimitPerMinute ?? null,
      expires_at: sql`
        coalesce(
          now() + ${key.expiresInSecs ?? null}::float8 * interval '1 s',
          ${key.expiresAt?.toISOString() ?? null}::timestamptz
        )`,
      created_by: key.createdBy,
    })}
    on conflict (hash) do nothing
    returning ${columns(sql)}`
  return row
}

/** The first key of an installation: made only while there is none, however many nodes start at once. */
export async function insertFirstKey(sql: Sql, key: NewKey): Promise<boolean> {
  const made = await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(hashtextextended('first key', 3))`
    const [row] = await tx<{ n: number }[]>`select count(*)::int as n from api_keys`
    return row!.n === 0 && (await insertKey(tx, key)) !== undefined
  })
  return made as boolean
}

/** Locks the key, so that of two rotations the second sees the first. `expired`: by the database's clock. */
/**
 * Makes the key that the operator configured, and revokes what was configured or made at a start before it: their own
 * keys, which nobody created. A key that was there already replaces nothing.
 */
export async function replaceFirstKey(sql: Sql, key: NewKey): Promise<{ made: boolean; revoked: string[] }> {
  const done = await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(hashtextextended('first key', 3))`
    if (!(await insertKey(tx, key))) return { made: false, revoked: [] }
    const rows = await tx<{ prefix: string }[]>`
      update api_keys set revoked_at = now()
      where project_id = ${key.projectId}
        and name = ${key.name}
        and created_by is null
        and id <> ${key.id}
        and revoked_at is null
      returning prefix`
    return { made: true, revoked: rows.map(({ prefix }) => prefix) }
  })
  return done as { made: boolean; revoked: string[] }
}

export async function findKey(
  tx: Db,
  projectId: string,
  keyId: string,
): Promise<(KeyRow & { expired: boolean }) | undefined> {
  const [row] = await tx<(KeyRow & { expired: boolean })[]>`
    select ${columns(tx)}, coalesce(expires_at <= now(), false) as expired
    from api_keys where project_id = ${projectId} and id = ${keyId} for update`
  return row
}

/** The key that asks, as it is now, whatever a node remembers of it; undefined when it is no longer valid. */
export async function findAskingKey(tx: Db, keyId: string): Promise<KeyRow | undefined> {
  const [row] = await tx<KeyRow[]>`
    select ${columns(tx)} from api_keys
    where id = ${keyId}
      and revoked_at is null
      and (expires_at is null or expires_at > now())`
  return row
}

type KeyPage = { after?: { createdAt: string; id: string } | undefined; limit: number }

export const listKeys = async (sql: Db, projectId: string, { after, limit }: KeyPage): Promise<KeyRow[]> => [
  ...(await sql<KeyRow[]>`
    select ${columns(sql)} from api_keys
    where project_id = ${projectId}
      ${after ? sql`and (created_at, id) < (${after.createdAt}::timestamptz, ${after.id}::uuid)` : sql``}
    order by created_at desc, id desc limit ${limit}`),
]

/** False when it was revoked already. */
export async function revokeKey(sql: Db, keyId: string): Promise<boolean> {
  const [row] =
    await sql`update api_keys set revoked_at = now() where id = ${keyId} and revoked_at is null returning id`
  return row !== undefined
}

/** The old key of a rotation lives on for its grace, but never longer than it would have. */
export const endKey = (
  sql: Db,
  keyId: string,
  { graceSecs, rotatedTo }: { graceSecs: number; rotatedTo: string },
) => sql`
  update api_keys
  set rotated_to = ${rotatedTo}, expires_at = least(expires_at, now() + ${graceSecs}::float8 * interval '1 s')
  where id = ${keyId}`

/** Written now and then, not with each request. */
export const touchKeys = (sql: Db, keyIds: readonly string[]) =>
  sql`update api_keys set last_used_at = now() where id = any(${keyIds as string[]}::uuid[])`

export type ProjectRow = {
  id: string
  name: string
  plan: string
  maxSpendMicrousdPerDay: number | null
  createdAt: Date
}

/** Undefined when the id is taken. */
const projectColumns = (sql: Db) =>
  sql`id, name, plan, max_spend_microusd_per_day as "maxSpendMicrousdPerDay", created_at as "createdAt"`

type NewProject = { id: string; name: string; maxSpendMicrousdPerDay?: number | null | undefined }

export async function insertProject(sql: Db, it: NewProject): Promise<ProjectRow | undefined> {
  const [row] = await sql<ProjectRow[]>`
    insert into projects (id, name, max_spend_microusd_per_day)
    values (${it.id}, ${it.name}, ${it.maxSpendMicrousdPerDay ?? null})
    on conflict (id) do nothing
    returning ${projectColumns(sql)}`
  return row
}

export type ProjectChange = Partial<Pick<ProjectRow, 'name' | 'maxSpendMicrousdPerDay'>>

/** What is left out stays; undefined when there is no such project. */
export async function updateProject(sql: Db, id: string, change: ProjectChange): Promise<ProjectRow | undefined> {
  const { name, maxSpendMicrousdPerDay: budget } = change
  const [row] = await sql<ProjectRow[]>`
    update projects set name = coalesce(${name ?? null}, name),
      max_spend_microusd_per_day = ${budget === undefined ? sql`max_spend_microusd_per_day` : sql`${budget}::bigint`}
    where id = ${id} returning ${projectColumns(sql)}`
  return row
}

export async function findProject(sql: Db, id: string): Promise<ProjectRow | undefined> {
  const [row] = await sql<ProjectRow[]>`select ${projectColumns(sql)} from projects where id = ${id}`
  return row
}

export const projectExists = async (sql: Db, id: string): Promise<boolean> => {
  const rows = await sql`select from projects where id = ${id}`
  return rows.length > 0
}

export const listProjects = async (
  sql: Db,
  page: { after?: string | undefined; limit: number },
): Promise<ProjectRow[]> => [
  ...(await sql<ProjectRow[]>`
    select ${projectColumns(sql)} from projects
    where ${page.after === undefined ? sql`true` : sql`id > ${page.after}`} order by id limit ${page.limit}`),
]

/** A value that all nodes share; the first one to ask decides it. */
export async function sharedSecret(sql: Db, name: string, proposal: string): Promise<string> {
  await sql`insert into installation (name, value) values (${name}, ${proposal}) on conflict do nothing`
  const [row] = await sql<{ value: string }[]>`select value from installation where name = ${name}`
  return row!.value
}
