// A client as a careful one is written: what was not answered is asked again, until somebody answers.
import { setTimeout as sleep } from 'node:timers/promises'
import { KEY } from '../stage/nodes.ts'

// biome-ignore lint/suspicious/noExplicitAny: an answer is whatever the API says that it is.
export type Answer = { status: number; body: any }
export type Client = {
  /** One try; undefined when nobody answered, or nobody could. */
  ask(method: string, path: string, body?: object): Promise<Answer | undefined>
  /** Asks until there is an answer; undefined when it was told to stop before that. */
  insist(method: string, path: string, body?: object): Promise<Answer | undefined>
  answered: () => readonly number[]
}

const ANSWER_MS_MAX = 15_000
const AGAIN_MS = 100

export function clientOf(address: string, stopping: AbortSignal): Client {
  /** When an answer came, in milliseconds of the monotonic clock, of the calls that change something. */
  const answered: number[] = []

  async function ask(method: string, path: string, body?: object): Promise<Answer | undefined> {
    try {
      const response = await fetch(address + path, {
        method,
        headers: { authorization: `Bearer ${KEY}`, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      })
      const text = await response.text()
      if (response.status >= 500) return undefined
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
    } catch {
      return undefined
    }
  }

  return {
    ask,
    async insist(method, path, body) {
      for (;;) {
        const answer = await ask(method, path, body)
        if (answer) {
          answered.push(performance.now())
          return answer
        }
        if (stopping.aborted) return undefined
        await sleep(AGAIN_MS * (0.5 + Math.random()))
      }
    },
    answered: () => answered,
  }
}
