// A server for tests of this room: no database behind it, and a caller of the test's choice.
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { refuse } from '#core/error.ts'
import type { AccessOptions } from './access.ts'
import type { Caller, KeyCaller, RunCaller } from './caller.ts'
import { buildServer } from './server.ts'

export const aKey = (...scopes: string[]): KeyCaller => ({
  kind: 'key',
  projectId: 'default',
  keyId: 'key-1',
  scopes: new Set(scopes),
  actor: { type: 'api_key', id: 'key-1' },
})

export const aRunToken = (runId: string): RunCaller => ({
  kind: 'run',
  projectId: 'default',
  runId,
  attempt: 1,
  leaseToken: 'lease-1',
  actor: { type: 'worker', id: 'worker-1' },
})

export type LogLine = { level: number; msg: string; [key: string]: unknown }

type FixtureOptions = Partial<AccessOptions> & { caller?: Caller; logged?: LogLine[]; bodyBytesMax?: number }

/** Every request comes from `caller`, an admin unless said otherwise; `authorization: none` from nobody. */
export function testServer(mount: (app: FastifyInstance) => void, options: FixtureOptions = {}): FastifyInstance {
  const { caller = aKey('admin'), logged = [], ...rest } = options
  const log = pino({ level: 'info' }, { write: (line: string) => void logged.push(JSON.parse(line)) })
  return buildServer({
    log,
    authenticate: async (request) => {
      if (request.headers.authorization === 'none') throw refuse('unauthorized', { reason: 'Send an API key.' })
      return caller
    },
    fence: async () => {},
    routes: [mount],
    ...rest,
  })
}
