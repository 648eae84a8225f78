// A real node on a database of its own, and a client that speaks to it as any other would.
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { readConfig } from '#config.ts'
import { type Node, type NodeOptions, startNode } from '#node.ts'
import { testDatabase } from './db.ts'

export const KEY = 'test-key-of-the-operator'

// biome-ignore lint/suspicious/noExplicitAny: a reply is whatever the test says it is.
export type Reply = { status: number; body: any; headers: Headers }
export type Call = (
  method: string,
  path: string,
  body?: unknown,
  more?: { key?: string | undefined; headers?: Record<string, string> },
) => Promise<Reply>

export function callerOf(address: string, ownKey: string = KEY): Call {
  return async (method, path, body, { key = ownKey, headers = {} } = {}) => {
    const sent = typeof body === 'string' || body === undefined ? body : JSON.stringify(body)
    const response = await fetch(address + path, {
      method,
      headers: {
        ...(key && { authorization: `Bearer ${key}` }),
        ...(sent !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(sent !== undefined && { body: sent }),
    })
    const text = await response.text()
    return { status: response.status, body: parsed(text), headers: response.headers }
  }
}

function parsed(text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

export type HttpYard = { node: Node; call: Call; url: string; address: string }

/** `env` as the operator would set it. */
export async function httpYard(env: Record<string, string> = {}): Promise<HttpYard> {
  const { url } = await testDatabase()
  const node = await openNode(url, env)
  return { node, call: callerOf(node.address), url, address: node.address }
}

/** Another node on the same database. */
export async function openNode(
  url: string,
  env: Record<string, string> = {},
  more: Pick<NodeOptions, 'databaseFolder'> = {},
): Promise<Node> {
  const config = readConfig({
    PORT: '0',
    RUNYARD_EGRESS: 'any',
    RUNYARD_API_KEY: KEY,
    RUNYARD_SHUTDOWN_GRACE_MS: '500',
    ...(process.env.REDIS_URL && { REDIS_URL: process.env.REDIS_URL }),
    RUNYARD_NODE: `node-${Math.random().toString(36).slice(2, 8)}`,
    ...env,
  })
  const node = await startNode({
    config,
    databaseUrl: url,
    keepKey: false,
    log: pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' }),
    ...more,
  })
  onTestFinished(() => node.close())
  return node
}

/** Asks until the answer is as wanted; fails with the last answer when that takes longer than `ms`. */
export async function until<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean, ms = 10_000): Promise<T> {
  const endMs = performance.now() + ms
  for (;;) {
    const answer = await ask()
    if (wanted(answer)) return answer
    if (performance.now() > endMs)
      throw new Error(`not so within ${ms} ms; the last answer: ${JSON.stringify(answer)?.slice(0, 2_000)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** The state of a run, as soon as it is one of `states`. */
export const untilState = (call: Call, runId: string, states: readonly string[], ms?: number): Promise<Reply> =>
  until(
    () => call('GET', `/v1/runs/${runId}`),
    (reply) => states.includes(reply.body.status),
    ms,
  )

/** Triggers a run of a job, and returns it. */
export const trigger = async (call: Call, job: string, input: object = {}) =>
  (await call('POST', `/v1/jobs/${job}/runs`, input)).body

/** The code of a refusal; undefined for a success. */
export const codeOf = (reply: { body: { error?: { code: string } } }) => reply.body.error?.code
