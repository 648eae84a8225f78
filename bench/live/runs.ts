// Runs that wait for a worker that never comes: they live as long as the bench, and take events.
import type { Post } from '../lib/call.ts'

const BATCH_MAX = 500

export async function makeRuns(post: Post, count: number): Promise<string[]> {
  const ids: string[] = []
  while (ids.length < count) {
    const items = Array.from({ length: Math.min(BATCH_MAX, count - ids.length) }, () => ({}))
    const { results } = await post<{ results: { run: { id: string } }[] }>('/v1/jobs/bench/runs/batch', { items })
    ids.push(...results.map(({ run }) => run.id))
  }
  return ids
}
