// People who use the console: each has a browser of their own, that is a cookie and the Origin of the pages it shows.
import { expect } from 'vitest'
import type { Node } from '#node.ts'
import { type Call, callerOf, type Reply } from './http-yard.ts'

export type Browser = { call: Call; cookie: string; session: Reply['body'] }

export const PASSWORD = 'correct horse battery staple'

/** The secret of a one-time link. */
export const tokenOf = (url: string): string => new URL(url).hash.replace('#token=', '')

/** Signs in, and is from then on whoever that was. */
export async function signIn(address: string, body: object): Promise<Browser> {
  const reply = await callerOf(address, '')('POST', '/v1/session', body, { headers: { origin: address } })
  expect(reply.status, JSON.stringify(reply.body)).toBe(201)
  const cookie = reply.headers.getSetCookie()[0]!.split(';', 1)[0]!
  return { ...browserOf(address, cookie), session: reply.body }
}

export function browserOf(address: string, cookie: string, origin: string = address): Pick<Browser, 'call' | 'cookie'> {
  const bare = callerOf(address, '')
  const call: Call = (method, path, body, { headers = {} } = {}) =>
    bare(method, path, body, { headers: { cookie, origin, ...headers } })
  return { call, cookie }
}

/** The owner, by the link of the first start. */
export const openFirst = (node: Node): Promise<Browser> => signIn(node.address, { link_token: tokenOf(node.console!) })

/** Somebody new in a project, invited by `inviter`. */
export async function join(
  address: string,
  { inviter, role, email }: { inviter: Call; role: string; email: string },
): Promise<Browser> {
  const invited = await inviter('POST', '/v1/invitations', { role, email })
  expect(invited.status, JSON.stringify(invited.body)).toBe(201)
  return signIn(address, { link_token: tokenOf(invited.body.url) })
}

/** Likewise, with a password. */
export async function joinWithPassword(address: string, how: Parameters<typeof join>[1]): Promise<Browser> {
  const browser = await join(address, how)
  expect((await browser.call('PUT', '/v1/session/password', { password: PASSWORD })).status).toBe(204)
  return browser
}
