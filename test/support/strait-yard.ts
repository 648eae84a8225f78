// What tests of the mount /strait begin with: a node, and the clients of two projects.
import { type Call, callerOf, type HttpYard, httpYard } from './http-yard.ts'

/** The calls of a client whose base is /strait. */
export const straitOf =
  (call: Call): Call =>
  (method, path, body, more) =>
    call(method, `/strait${path}`, body, more)

/** `call` is a client of Strait, `native` ours, both of the project `default`; `stranger` has the key of another one. */
export async function straitYard(
  env: Record<string, string> = {},
): Promise<HttpYard & { native: Call; stranger: Call; withKey: (key: string) => Call }> {
  const yard = await httpYard(env)
  const other = await yard.call('POST', '/v1/projects', { id: 'other' })
  const withKey = (key: string) => straitOf(callerOf(yard.address, key))
  return { ...yard, call: straitOf(yard.call), native: yard.call, withKey, stranger: withKey(other.body.key) }
}
