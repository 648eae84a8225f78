// What tests of the mount /dynamiq begin with: a node, the clients of two projects, and a worker that executes runs.
import { type Call, callerOf, type HttpYard, httpYard, KEY, until } from './http-yard.ts'
import { type Watching, watch } from './sse-client.ts'

/** The calls of a client whose base is /dynamiq. */
const dynamiqOf =
  (call: Call): Call =>
  (method, path, body, more) =>
    call(method, `/dynamiq${path}`, body, more)

export type DynamiqYard = HttpYard & { native: Call; stranger: Call }

/** `call` is a client of Dynamiq, `native` ours, both of the project `default`; `stranger` has the key of another one. */
export async function dynamiqYard(env: Record<string, string> = {}): Promise<DynamiqYard> {
  const yard = await httpYard(env)
  const other = await yard.call('POST', '/v1/projects', { id: 'other' })
  return {
    ...yard,
    call: dynamiqOf(yard.call),
    native: yard.call,
    stranger: dynamiqOf(callerOf(yard.address, other.body.key)),
  }
}

/** The only app of the project, executed by workers. */
export const addApp = async (native: Call, slug = 'app', more: object = {}): Promise<string> =>
  (await native('POST', '/v1/jobs', { slug, execution: 'worker', max_attempts: 1, ...more })).body.id

/** Creates a run that somebody else executes. */
export const background = async (call: Call, input: object = {}): Promise<string> =>
  (await call('POST', '/v1/runs', { input: 'hello', background: true, ...input })).body.data.id

export type Attempt = {
  id: string
  write: (path: string, body?: unknown) => ReturnType<Call>
  read: (path: string) => ReturnType<Call>
}

/** Claims a run; `write` is a call of its attempt, such as `/complete`. */
export async function claim(native: Call): Promise<Attempt> {
  const { body } = await until(
    () => native('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 5, lease_secs: 300 }),
    (reply) => reply.body.runs.length > 0,
  )
  const [{ run, run_token: key }] = body.runs
  const ofRun = `/v1/runs/${run.id}`
  return {
    id: run.id,
    write: (path, sent = {}) => native('POST', ofRun + path, sent, { key }),
    read: (path) => native('GET', ofRun + path, undefined, { key }),
  }
}

/** A run that has begun. */
export async function executing(call: Call, native: Call, input: object = {}): Promise<Attempt> {
  await background(call, input)
  return claim(native)
}

// biome-ignore lint/suspicious/noExplicitAny: a frame holds whatever the test says it does.
export type Seen = { id: string; event: string; data: any }

export function follow(address: string, path: string, lastEventId?: string): Watching & { frames: Seen[] } {
  const frames: Seen[] = []
  const watching = watch({
    url: `${address}/dynamiq${path}`,
    key: KEY,
    lastEventId,
    onFrame: ({ id, event, data }) => frames.push({ id, event, data: JSON.parse(data) }),
  })
  return { ...watching, frames }
}

export const WHOLE_SECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
