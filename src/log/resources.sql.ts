// The things that events are about. One is named by its kind and an id of any form, and has a UUID as well: that id
// where it is one, or else one made from its names, by which it is found again here.
import { derivedId, isUuid } from '#postgres/id.ts'
import { rowsOf } from '#postgres/rows.ts'
import type { Db, Fragment } from '#postgres/sql.ts'

export type Resource = { type: string; id: string }

/** That of a run is the id under which it is stored, unless its own id is a UUID. */
export function resourceUuid(projectId: string, type: string, id: string): string {
  if (isUuid(id)) return id.toLowerCase()
  return type === 'run' ? derivedId(projectId, id) : derivedId(projectId, type, id)
}

/**
 * Keeps what the rows of the CTE `placed` name by project_id, resource_type, resource_id and resource_uuid.
 * A thing that was seen within a day is only looked up, so that events about the same one do not wait for each other.
 */
export const rememberResources = (sql: Db, placed: string): Fragment => sql`
  insert into resources as r (project_id, type, id, uuid)
  select project_id, type, id, uuid
  from (
    select distinct project_id, resource_type as type, resource_id as id, resource_uuid as uuid
    from ${sql(placed)}
    where resource_uuid is not null
  ) named
  -- A look-up for each, and no join, which might be planned while there is nothing yet.
  where (
    select k.uuid is not null and k.seen_at > now() - interval '1 day'
    from resources k
    where k.project_id = named.project_id
      and k.type = named.type
      and k.id = named.id
  ) is not true
  order by 1, 2, 3
  on conflict (project_id, type, id) do update set uuid = excluded.uuid, seen_at = now()`

/** A UUID is one thing, as far as clients choose well; whoever gave it to several is shown them all. */
const SAME_UUID_MAX = 20

export async function findResources(sql: Db, projectId: string, uuid: string): Promise<Resource[]> {
  const rows = await sql<Resource[]>`
    select type, id from resources where project_id = ${projectId} and uuid = ${uuid}::uuid
    order by type, id limit ${SAME_UUID_MAX}`
  return [...rows]
}

/** Gives a UUID to what was there before this was kept. Returns how many got one. */
export async function nameResources(sql: Db, limit: number): Promise<number> {
  const rows = await sql<{ project_id: string; type: string; id: string }[]>`
    select project_id, type, id from resources where uuid is null limit ${limit}`
  if (rows.length === 0) return 0
  await sql`
    update resources r set uuid = n.uuid
    from ${rowsOf(
      sql,
      rows,
      {
        'project_id text': (it) => it.project_id,
        'type text': (it) => it.type,
        'id text': (it) => it.id,
        'uuid uuid': (it) => resourceUuid(it.project_id, it.type, it.id),
      },
      'n',
    )}
    where r.project_id = n.project_id
      and r.type = n.type
      and r.id = n.id`
  return rows.length
}
