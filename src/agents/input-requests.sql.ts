// What people are asked: approvals and feedback, pending until somebody answers or their time is over.
import type { Json } from '#core/json/json.ts'
import { actorName } from '#log/actor-name.sql.ts'
import { jsonText } from '#postgres/json.ts'
import { rowsOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

export type InputKind = 'approval' | 'feedback'
export type InputState = 'pending' | 'answered' | 'expired' | 'canceled'
/** The answer, or the default in its place: `approved` of an approval, `feedback` of feedback, and the params then. */
export type InputAnswer = { approved?: boolean; feedback?: unknown; params?: Json }

export type InputRow = {
  id: string
  projectId: string
  /** Internal id, and the one that the outside knows. */
  runUuid: string | null
  runId: string | null
  agentId: string | null
  authorizationId: string | null
  /** The name that the run gave it. */
  key: string | null
  /** Whom it is for; anybody who may answer still may. */
  assignee: string | null
  /** The event that it was asked with. */
  eventId: string | null
  /** The key that asked, and may therefore not answer. */
  askedByKey: string | null
  kind: InputKind
  prompt: string
  params: Json
  editableParams: string[]
  schema: Record<string, unknown> | null
  onExpiry: 'default' | 'fail'
  /** An InputAnswer, as it was written. */
  defaultAnswer: Json | null
  state: InputState
  answer: Json | null
  answeredByType: string | null
  answeredById: string | null
  answeredByName: string | null
  createdAt: Date
  answeredAt: Date | null
  expiresAt: Date | null
}

const columns = (sql: Db) => sql`
  i.id,
  i.project_id as "projectId",
  i.run_id as "runUuid",
  (select coalesce(r.client_id, r.id::text) from runs r where r.id = i.run_id) as "runId",
  i.agent_id as "agentId",
  i.authorization_id as "authorizationId",
  i.key,
  i.assignee,
  i.event_id as "eventId",
  i.asked_by_key as "askedByKey",
  i.kind,
  i.prompt,
  i.params,
  i.editable_params as "editableParams",
  i.schema,
  i.on_expiry as "onExpiry",
  i.default_answer as "defaultAnswer",
  i.state,
  i.answer,
  i.answered_by_type as "answeredByType",
  i.answered_by_id as "answeredById",
  ${actorName(sql, 'i.answered_by')} as "answeredByName",
  i.created_at as "createdAt",
  i.answered_at as "answeredAt",
  i.expires_at as "expiresAt"
  from input_requests i`

export type NewInputRequest = Pick<
  InputRow,
  | 'id'
  | 'projectId'
  | 'agentId'
  | 'authorizationId'
  | 'key'
  | 'assignee'
  | 'eventId'
  | 'askedByKey'
  | 'kind'
  | 'prompt'
  | 'params'
  | 'editableParams'
  | 'schema'
  | 'onExpiry'
> & {
  defaultAnswer: InputAnswer | null
  /** Internal id. */
  runId: string | null
  expiresInSecs: number | null
}

export const insertInputRequests = (tx: Db, rows: readonly NewInputRequest[]) => tx`
  insert into input_requests (
    id,
    project_id,
    run_id,
    agent_id,
    authorization_id,
    key,
    assignee,
    event_id,
    asked_by_key,
    kind,
    prompt,
    params,
    editable_params,
    schema,
    on_expiry,
    default_answer,
    state,
    expires_at
  )
  select
    id,
    project_id,
    run_id,
    agent_id,
    authorization_id,
    key,
    assignee,
    event_id,
    asked_by_key,
    kind,
    prompt,
    params::json,
    array(select jsonb_array_elements_text(editable::jsonb)),
    schema::jsonb,
    on_expiry,
    default_answer::json,
    'pending',
    clock_timestamp() + secs * interval '1 s'
  from ${rowsOf(tx, rows, {
    'id uuid': (it) => it.id,
    'project_id text': (it) => it.projectId,
    'run_id uuid': (it) => it.runId,
    'agent_id text': (it) => it.agentId,
    'authorization_id uuid': (it) => it.authorizationId,
    'key text': (it) => it.key,
    'assignee text': (it) => it.assignee,
    'event_id uuid': (it) => it.eventId,
    'asked_by_key text': (it) => it.askedByKey,
    'kind text': (it) => it.kind,
    'prompt text': (it) => it.prompt,
    'params text': (it) => jsonText(it.params),
    'editable text': (it) => JSON.stringify(it.editableParams),
    'schema text': (it) => jsonText(it.schema ?? undefined),
    'on_expiry text': (it) => it.onExpiry,
    'default_answer text': (it) => jsonText(it.defaultAnswer ?? undefined),
    'secs float8': (it) => it.expiresInSecs,
  })}`

export async function findInputRequest(sql: Db, projectId: string, id: string): Promise<InputRow | undefined> {
  const [row] = await sql<InputRow[]>`select ${columns(sql)} where i.id = ${id} and i.project_id = ${projectId}`
  return row
}

/** The request that a run gave this key. */
export async function findKeyedRequest(sql: Db, runId: string, key: string): Promise<InputRow | undefined> {
  const [row] = await sql<InputRow[]>`select ${columns(sql)} where i.run_id = ${runId} and i.key = ${key}`
  return row
}

/** What a person is asked before a call is made. */
export async function findRequestOf(sql: Db, authorizationId: string): Promise<string | null> {
  const [row] = await sql<{ id: string }[]>`select id from input_requests where authorization_id = ${authorizationId}`
  return row?.id ?? null
}

/** Locks the request; a second one who answers waits here, and then finds it answered. */
export async function lockInputRequest(tx: Db, id: string): Promise<InputState | undefined> {
  const [row] = await tx<{ state: InputState }[]>`select state from input_requests where id = ${id} for update`
  return row?.state
}

export type InputEnd = {
  state: Exclude<InputState, 'pending'>
  answer: InputAnswer | null
  by: { type: string; id: string | null }
}

export const endInputRequest = (tx: Db, id: string, end: InputEnd) => tx`
  update input_requests
  set
    state = ${end.state},
    answer = ${jsonText(end.answer ?? undefined)}::text::json,
    answered_by_type = ${end.by.type},
    answered_by_id = ${end.by.id},
    answered_at = date_trunc('milliseconds', clock_timestamp())
  where id = ${id}`

export async function countPending(sql: Db, runId: string): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select count(*)::int as n from input_requests where run_id = ${runId} and state = 'pending'`
  return row!.n
}

export async function countPendingOfProject(sql: Db, projectId: string): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select count(*)::int as n from input_requests
    where project_id = ${projectId}
      and state = 'pending'`
  return row!.n
}

/** All requests of some runs, oldest first. */
export const readInputsOfRuns = async (sql: Db, runIds: readonly string[]): Promise<InputRow[]> => [
  ...(await sql<InputRow[]>`
    select ${columns(sql)}
    where i.run_id = any(${runIds as string[]}::uuid[])
    order by i.created_at, i.id limit 10000`),
]

/** What these runs still ask, oldest first; of many questions the first. */
export const readPendingInputs = async (sql: Db, runIds: readonly string[], limit: number): Promise<InputRow[]> => [
  ...(await sql<InputRow[]>`
    select ${columns(sql)} where i.run_id = any(${runIds as string[]}::uuid[]) and i.state = 'pending'
    order by i.created_at, i.id limit ${limit}`),
]

/** By their ids, in no order. */
export const readInputs = async (sql: Db, ids: readonly string[]): Promise<InputRow[]> => [
  ...(await sql<InputRow[]>`select ${columns(sql)} where i.id = any(${ids as string[]}::uuid[])`),
]

export type InputFilter = {
  projectId: string
  state?: InputState | undefined
  kind?: InputKind | undefined
  agentId?: string | undefined
  runId?: string | undefined
  after?: { createdAt: string; id: string } | undefined
  limit: number
}

/** 'pending' is part of the text, so that the planner knows that the index of pending requests serves it. */
const inState = (sql: Db, state: InputState) =>
  state === 'pending' ? sql`and i.state = 'pending'` : sql`and i.state = ${state}`

/** The latest first. */
export const listInputRequests = async (sql: Db, it: InputFilter): Promise<InputRow[]> => [
  ...(await sql<InputRow[]>`
    select ${columns(sql)}
    where i.project_id = ${it.projectId}
      ${it.state === undefined ? sql`` : inState(sql, it.state)}
      ${it.kind === undefined ? sql`` : sql`and i.kind = ${it.kind}`}
      ${it.agentId === undefined ? sql`` : sql`and i.agent_id = ${it.agentId}`}
      ${it.runId === undefined ? sql`` : sql`and i.run_id = ${it.runId}`}
      ${it.after ? sql`and (i.created_at, i.id) < (${it.after.createdAt}::timestamptz, ${it.after.id}::uuid)` : sql``}
    order by i.created_at desc, i.id desc limit ${it.limit}`),
]

/** Requests whose time is over. */
export const readExpiredInputs = async (sql: Db, limit: number): Promise<InputRow[]> => [
  ...(await sql<InputRow[]>`
    select ${columns(sql)}
    where i.state = 'pending' and i.expires_at <= clock_timestamp()
    order by i.expires_at limit ${limit}`),
]

export async function nextInputInMs(sql: Db): Promise<number | undefined> {
  const [row] = await sql<{ ms: number | null }[]>`
    select extract(epoch from min(expires_at) - clock_timestamp())::float8 * 1000 as ms
    from input_requests where state = 'pending' and expires_at is not null`
  return row?.ms ?? undefined
}
