// What nodes say of themselves, for those who look from another node.
import type { Db } from '#postgres/sql.ts'

/** A node that has not reported for so long has stopped; that it did is for those to see who watch nodes. */
const LIVE_SECS = 60

export type LateDuty = { duty: string; lateSecs: number }
export type Disk = { usedBytes: number; freeBytes: number }
export type NodeReport = { node: string; lateDuties: readonly LateDuty[]; disk: Disk | undefined }

export const reportNode = (sql: Db, { node, lateDuties, disk }: NodeReport) => sql`
  with gone as (
    delete from node_reports where reported_at < clock_timestamp() - interval '1 day'
  )
  insert into node_reports (node, reported_at, late_duties, disk_used_bytes, disk_free_bytes)
  values (
    ${node},
    clock_timestamp(),
    ${JSON.stringify(lateDuties)}::text::jsonb,
    ${disk?.usedBytes ?? null}::float8,
    ${disk?.freeBytes ?? null}::float8
  )
  on conflict (node) do update set
    reported_at = excluded.reported_at,
    late_duties = excluded.late_duties,
    disk_used_bytes = excluded.disk_used_bytes,
    disk_free_bytes = excluded.disk_free_bytes`

export const forgetNode = (sql: Db, node: string) => sql`delete from node_reports where node = ${node}`

const isLive = (sql: Db) => sql`reported_at > clock_timestamp() - ${LIVE_SECS}::int * interval '1 s'`

/** Of all nodes, the one that is late for longest first. */
export const readLateDuties = async (sql: Db, limit: number): Promise<(LateDuty & { node: string })[]> => [
  ...(await sql<(LateDuty & { node: string })[]>`
    select node, late.duty, late."lateSecs"
    from node_reports
    cross join jsonb_to_recordset(late_duties) as late(duty text, "lateSecs" float8)
    where ${isLive(sql)}
    order by late."lateSecs" desc, node, late.duty limit ${limit}::int`),
]

/** Of nodes with an embedded database, the fullest first. */
export const readDisks = async (sql: Db): Promise<(Disk & { node: string })[]> => [
  ...(await sql<(Disk & { node: string })[]>`
    select node, disk_used_bytes as "usedBytes", disk_free_bytes as "freeBytes"
    from node_reports
    where ${isLive(sql)} and disk_used_bytes + disk_free_bytes > 0
    order by disk_free_bytes / (disk_used_bytes + disk_free_bytes), node limit 10`),
]
