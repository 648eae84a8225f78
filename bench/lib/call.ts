// Requests without an SDK: what curl would send. Anything but success ends the bench.
import type { Client, Dispatcher } from 'undici'

export type Post = <T>(path: string, body: object) => Promise<T>
export type Get = <T>(path: string) => Promise<T>

export function poster(client: Client, key: string): Post {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  return async <T>(path: string, body: object) =>
    read<T>(path, await client.request({ method: 'POST', path, headers, body: JSON.stringify(body) }))
}

export function getter(client: Client, key: string): Get {
  const headers = { authorization: `Bearer ${key}` }
  return async <T>(path: string) => read<T>(path, await client.request({ method: 'GET', path, headers }))
}

async function read<T>(path: string, answer: Dispatcher.ResponseData): Promise<T> {
  const text = await answer.body.text()
  if (answer.statusCode >= 300) throw new Error(`${path} answered ${answer.statusCode}: ${text.slice(0, 500)}`)
  return JSON.parse(text) as T
}
