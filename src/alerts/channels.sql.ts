// Channels, and the messages on their way to them.
import { column } from '#postgres/column.ts'
import { valuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

export const CHANNEL_KINDS = ['webhook', 'slack', 'email'] as const
export type ChannelKind = (typeof CHANNEL_KINDS)[number]

export type ChannelRow = {
  id: string
  projectId: string
  name: string
  kind: ChannelKind
  url: string | null
  signingSecret: string | null
  recipients: string[]
  /** Whether it is sent questions to people. */
  questions: boolean
  createdAt: Date
  createdBy: string | null
}

const columns = (sql: Db) => sql`
  id,
  project_id as "projectId",
  name,
  kind,
  url,
  signing_secret as "signingSecret",
  recipients,
  questions,
  created_at as "createdAt",
  created_by as "createdBy"`

export async function findChannel(sql: Db, projectId: string, id: string): Promise<ChannelRow | undefined> {
  const [row] = await sql<ChannelRow[]>`
    select ${columns(sql)} from alert_channels where id = ${id}::uuid and project_id = ${projectId}`
  return row
}

type Page = { after?: { createdAt: string; id: string } | undefined; limit: number }

/** Oldest first. */
export const listChannels = async (sql: Db, projectId: string, { after, limit }: Page): Promise<ChannelRow[]> => [
  ...(await sql<ChannelRow[]>`
    select ${columns(sql)} from alert_channels
    where project_id = ${projectId}
      ${after ? sql`and (created_at, id) > (${after.createdAt}::timestamptz, ${after.id}::uuid)` : sql``}
    order by created_at, id limit ${limit}::int`),
]

export async function countChannelsLocked(tx: Db, projectId: string): Promise<number> {
  await tx`select from projects where id = ${projectId} for no key update`
  const [row] = await tx<{ n: number }[]>`
    select count(*)::int as n from alert_channels where project_id = ${projectId}`
  return row!.n
}

export async function insertChannel(tx: Db, it: Omit<ChannelRow, 'createdAt'>): Promise<ChannelRow> {
  const [row] = await tx<ChannelRow[]>`
    insert into alert_channels ${valuesOf(tx, {
      id: it.id,
      project_id: it.projectId,
      name: it.name,
      kind: it.kind,
      url: it.url,
      signing_secret: it.signingSecret,
      recipients: tx`${column(it.recipients)}::text[]`,
      questions: it.questions,
      created_by: it.createdBy,
    })}
    returning ${columns(tx)}`
  return row!
}

/** Rules stop naming it. */
export async function deleteChannel(tx: Db, id: string): Promise<void> {
  await tx`
    update alert_rules set channel_ids = array_remove(channel_ids, ${id}::uuid)
    where channel_ids @> array[${id}::uuid] and project_id = (
      select project_id from alert_channels where id = ${id}::uuid
    )`
  await tx`delete from alert_channels where id = ${id}::uuid`
}

/** Those of the ids that are channels of the project. */
export async function readKnownChannels(sql: Db, projectId: string, ids: readonly string[]): Promise<Set<string>> {
  const rows = await sql<{ id: string }[]>`
    select id from alert_channels where project_id = ${projectId} and id = any(${ids as string[]}::uuid[])`
  return new Set(rows.map(({ id }) => id))
}

export type MessageContent = {
  /** `alert.fired`, for programs. */
  type: string
  title: string
  text: string
  data: Record<string, unknown>
}

export type Outgoing = {
  id: string
  content: MessageContent
  /** The question that it asks. */
  inputRequestId: string | null
  attempts: number
  ageMs: number
  channel: ChannelRow
}

type NewMessages = { projectId: string; channelIds: readonly string[]; content: MessageContent }

/** One message for each of the channels that exist. Earlier ones of the same alert that are not sent yet give way. */
export async function insertMessages(tx: Db, { projectId, channelIds, content }: NewMessages): Promise<void> {
  await tx`
    update alert_messages
    set given_up_at = clock_timestamp(), error = 'a later message of this alert took its place'
    where channel_id = any(${channelIds as string[]}::uuid[])
      and project_id = ${projectId}
      and sent_at is null
      and given_up_at is null
      and content -> 'data' ->> 'alert_id' = ${String(content.data.alert_id)}`
  await tx`
  insert into alert_messages (id, channel_id, project_id, content)
  select gen_random_uuid(), c.id, c.project_id, ${JSON.stringify(content)}::text::jsonb
  from alert_channels c
  where c.project_id = ${projectId} and c.id = any(${channelIds as string[]}::uuid[])`
}

type TakenRow = Omit<Outgoing, 'channel'> & ChannelRow & { messageId: string }

/** Channels are served in turns, whatever waits for each: these many messages of each channel at most. */
const OF_CHANNEL_MAX = 2

type Take = { limit: number; holdSecs: number; except: readonly string[] }

/** Takes messages that are due, for as long as sending one may take; none of the channels in `except`. */
export async function takeMessages(sql: Db, { limit, holdSecs, except }: Take): Promise<Outgoing[]> {
  const rows = await sql<TakenRow[]>`
    with due as materialized (
      select id, send_at, row_number() over (partition by channel_id order by send_at, id) as nth
      from alert_messages
      where sent_at is null
        and given_up_at is null
        and send_at <= clock_timestamp()
        and channel_id <> all(${except as string[]}::uuid[])
    ), taken as (
      update alert_messages
      set attempts = attempts + 1, send_at = clock_timestamp() + ${holdSecs}::float8 * interval '1 s'
      where id in (
        select m.id from due
        join alert_messages m on m.id = due.id
        where due.nth <= ${OF_CHANNEL_MAX}
          and m.sent_at is null
          and m.given_up_at is null
          and m.send_at <= clock_timestamp()
        order by due.send_at limit ${limit}::int
        for update of m skip locked
      )
      returning id, channel_id, content, input_request_id, attempts, created_at
    )
    select
      t.id as "messageId",
      t.content,
      t.input_request_id as "inputRequestId",
      t.attempts,
      (extract(epoch from clock_timestamp() - t.created_at) * 1000)::float8 as "ageMs",
      c.*
    from taken t
    join lateral (select ${columns(sql)} from alert_channels where id = t.channel_id) c on true`
  return rows.map(({ messageId, content, inputRequestId, attempts, ageMs, ...channel }) => ({
    id: messageId,
    content,
    inputRequestId,
    attempts,
    ageMs,
    channel,
  }))
}

export const markSent = (sql: Db, id: string) => sql`
  update alert_messages set sent_at = clock_timestamp(), error = null where id = ${id}::uuid`

/** `inMs` undefined: given up. */
export const markUnsent = (sql: Db, id: string, { error, inMs }: { error: string; inMs: number | undefined }) => sql`
  update alert_messages
  set
    error = ${error},
    send_at = clock_timestamp() + ${inMs ?? 0}::float8 * interval '1 ms',
    given_up_at = case when ${inMs === undefined}::boolean then clock_timestamp() end
  where id = ${id}::uuid`

export type MessageRow = {
  id: string
  type: string
  title: string
  attempts: number
  createdAt: Date
  sentAt: Date | null
  givenUpAt: Date | null
  error: string | null
}

/** Of a channel, newest first. */
export const listMessages = async (sql: Db, channelId: string, limit: number): Promise<MessageRow[]> => [
  ...(await sql<MessageRow[]>`
    select
      id,
      content ->> 'type' as type,
      content ->> 'title' as title,
      attempts,
      created_at as "createdAt",
      sent_at as "sentAt",
      given_up_at as "givenUpAt",
      error
    from alert_messages
    where channel_id = ${channelId}::uuid
    order by created_at desc, id desc limit ${limit}::int`),
]

export async function deleteOldMessages(sql: Db, days: number, limit: number): Promise<number> {
  const rows = await sql`
    delete from alert_messages where id in (
      select alert_messages.id from alert_messages
      where created_at < now() - ${days}::float8 * interval '1 day' limit ${limit}::int)
    returning 1`
  return rows.length
}
