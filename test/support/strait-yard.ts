// What tests of the mount /strait begin with: a node, and the clients of two projects.

import { expect } from 'vitest'
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

// How Strait writes times and ids; below the millisecond stand the digits of a record's number.
export const RFC3339 = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
export const MICROS = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(?:\d{3}){1,2}Z$/)
export const NUMBERED = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/)
export const UUID = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
/** An id that belongs to nothing. */
export const NOBODY = '019a6b3e-8f10-7c52-9a41-3f6f2d9f5f01'
