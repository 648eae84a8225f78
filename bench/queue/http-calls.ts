// The three calls of a worker over HTTP, without an SDK: what curl would send.
import type { Client } from 'undici'
import { poster } from '../lib/call.ts'
import { BATCH } from './contest.ts'

export type HttpEntry = { url: string; key: string }
type Claimed = { runs: { run: { id: string }; lease_token: string }[] }
type Settled = { results: { status: string | null }[] }

export function settleBatch(client: Client, key: string) {
  const post = poster(client, key)

  /** Claims and settles until nothing is left. */
  async function workOff(): Promise<void> {
    for (;;) {
      const { runs } = await post<Claimed>('/v1/workers/claim', { worker_id: 'bench', limit: BATCH })
      if (runs.length === 0) return
      const settlements = runs.map(({ run, lease_token }) => ({ run_id: run.id, lease_token, outcome: 'completed' }))
      const { results } = await post<Settled>('/v1/workers/settle', { settlements })
      if (results.some((result) => result.status !== 'completed')) throw new Error('a run was not settled')
    }
  }
  return { post, workOff }
}
