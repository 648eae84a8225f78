// What tests of the mount /vai begin with: a node, and the clients of two projects.
import { type Call, callerOf, type HttpYard, httpYard } from './http-yard.ts'

/** Reads of a client whose base is /vai. */
export type Get = (path: string, more?: { key?: string; headers?: Record<string, string> }) => ReturnType<Call>

const getter =
  (call: Call): Get =>
  (path, more) =>
    call('GET', `/vai/api/v1/events${path}`, undefined, more)

/** `get` reads as a client of VirtuousAI; `report` appends an event natively, and gives its id back. */
export async function vaiYard(): Promise<
  HttpYard & { get: Get; stranger: Get; strangerKey: string; report: (event: object) => Promise<string> }
> {
  const yard = await httpYard()
  const other = await yard.call('POST', '/v1/projects', { id: 'other' })
  const report = async (event: object) => {
    const reply = await yard.call('POST', '/v1/events', event)
    if (reply.status !== 201) throw new Error(JSON.stringify(reply.body))
    return reply.body.id as string
  }
  const strangerKey = other.body.key as string
  return { ...yard, get: getter(yard.call), stranger: getter(callerOf(yard.address, strangerKey)), strangerKey, report }
}

/** A time of the hour that the tests of the log speak of. */
export const at = (minute: number, second = 0): string =>
  new Date(Date.UTC(2026, 4, 5, 10, minute, second)).toISOString()
