// The server of the fixtures: a few answers, and nothing leaves the page.
import { ID } from './samples.ts'

const DRY_RUN = { dry_run: true, kind: 'redrive', matched_is_exact: true }
const FOUND = { ...DRY_RUN, matched: 42, by_status: [{ status: 'dead_letter', count: 42 }], sample: [ID] }
const NONE = { ...DRY_RUN, matched: 0, by_status: [], sample: [] }

const refusal = (status: number, code: string, message: string): Response =>
  Response.json({ error: { code, message, details: {} }, request_id: ID }, { status })

export function answerCalls(): void {
  globalThis.fetch = async (_, init) => {
    const body = typeof init?.body === 'string' ? init.body : ''
    if (body.includes('"refused"')) return refusal(429, 'overloaded', 'Too much is going on; try again.')
    if (body.includes('"approved"')) return refusal(409, 'wrong_state', 'The question has been answered already.')
    return Response.json(body.includes('"none"') ? NONE : FOUND)
  }
}
