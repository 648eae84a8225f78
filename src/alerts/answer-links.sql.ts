// Questions on their way to channels, and the links that answer them.
import { valuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

/** Below the days that messages are kept: a question that outlived its message would be asked again. */
const ASKED_DAYS = 6

/** Writes a message for each pending question and each channel that wants questions; how many there were. */
export async function insertQuestions(sql: Db, limit: number): Promise<number> {
  const rows = await sql`
    insert into alert_messages (id, channel_id, project_id, input_request_id, content)
    select
      gen_random_uuid(),
      c.id,
      c.project_id,
      i.id,
      jsonb_build_object(
        'type', 'input.requested',
        'title', case i.kind when 'approval' then 'Approval needed' else 'Question' end
          || coalesce(' by ' || i.agent_id, ''),
        'text', i.prompt,
        'data', jsonb_build_object(
          'input_request_id', i.id, 'kind', i.kind, 'agent_id', i.agent_id, 'project_id', i.project_id)
      )
    from alert_channels c
    join input_requests i on i.project_id = c.project_id
      and i.state = 'pending'
      and i.created_at >= greatest(c.created_at, clock_timestamp() - ${ASKED_DAYS}::int * interval '1 day')
    where c.questions
      and not exists (select from alert_messages m where m.channel_id = c.id and m.input_request_id = i.id)
    order by i.created_at, i.id limit ${limit}::int
    on conflict do nothing
    returning 1`
  return rows.length
}

export type AnswerLink = { id: string; projectId: string; channelId: string; inputRequestId: string }

export const insertAnswerLink = (
  sql: Db,
  it: AnswerLink & { hash: Buffer; expiresAt: Date | null; daysMax: number },
) => sql`
  insert into answer_links ${valuesOf(sql, {
    id: it.id,
    hash: it.hash,
    project_id: it.projectId,
    channel_id: it.channelId,
    input_request_id: it.inputRequestId,
    expires_at: sql`
      least(
        ${it.expiresAt?.toISOString() ?? null}::timestamptz,
        clock_timestamp() + ${it.daysMax}::float8 * interval '1 day'
      )`,
  })}`

/** With the name of the channel it was sent to; undefined for one that is unknown or past its time. */
export async function findAnswerLink(
  sql: Db,
  hash: Buffer,
): Promise<(AnswerLink & { channelName: string; recipients: string[] }) | undefined> {
  const [row] = await sql<(AnswerLink & { channelName: string; recipients: string[] })[]>`
    select
      l.id,
      l.project_id as "projectId",
      l.channel_id as "channelId",
      l.input_request_id as "inputRequestId",
      c.name as "channelName",
      c.recipients
    from answer_links l
    join alert_channels c on c.id = l.channel_id
    where l.hash = ${hash} and l.expires_at > clock_timestamp()`
  return row
}

export async function deleteOldAnswerLinks(sql: Db, limit: number): Promise<number> {
  const rows = await sql`
    delete from answer_links where hash in (
      select answer_links.hash from answer_links where expires_at < now() limit ${limit}::int)
    returning 1`
  return rows.length
}
