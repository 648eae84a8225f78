// JSON that no JavaScript value holds, and a client that sends and gets text.
import type { HttpYard } from '../http-yard.ts'
import { KEY } from '../http-yard.ts'

/** No double holds these numbers, and no object of JavaScript has these keys in this order. */
export const WRITTEN =
  '{"b":1,"10":1.50,"2":12345678901234567890.10,"a":[9007199254740993,1e400,-0.0,1E5],"":"\\u00e9"}'
/** The same as a person might write it. */
export const SPACED = WRITTEN.replaceAll(',', ' ,\n\t').replaceAll(':', ' : ')

export type Ask = (
  method: string,
  path: string,
  body?: string,
  key?: string,
) => Promise<{ status: number; text: string }>

export const askOf =
  ({ address }: Pick<HttpYard, 'address'>): Ask =>
  async (method, path, body, key = KEY) => {
    const reply = await fetch(address + path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body }),
    })
    return { status: reply.status, text: await reply.text() }
  }

export const json = (text: string) => JSON.parse(text)
