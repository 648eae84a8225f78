// Asks every question in turns over one connection.
import { Client } from 'undici'
import { getter } from '../lib/call.ts'
import { scriptInput, scriptOutput } from '../lib/child.ts'
import { tails } from '../lib/numbers.ts'
import { questions, rowsMin } from './questions.ts'

export type AskEntry = { url: string; key: string; beginMs: number; samples: number; warmUp: number }
export type Answers = Record<'runs' | 'events' | 'sums', Record<string, ReturnType<typeof tails>>>

const { url, key, beginMs, samples, warmUp } = await scriptInput<AskEntry>()
const client = new Client(url)
const get = getter(client, key)
const answers: Answers = { runs: {}, events: {}, sums: {} }
const asked = questions(beginMs)
for (const what of ['runs', 'events', 'sums'] as const) {
  for (const [name, path] of Object.entries(asked[what])) {
    const took: number[] = []
    for (let nth = 0; nth < warmUp + samples; nth++) {
      const began = performance.now()
      const { data } = await get<{ data?: unknown[] }>(path())
      took.push(performance.now() - began)
      if (data && data.length < (rowsMin[name] ?? 1)) throw new Error(`${what} by ${name}: ${data.length} rows`)
    }
    answers[what][name] = tails(took.slice(warmUp))
  }
}
await client.close()
scriptOutput(answers)
