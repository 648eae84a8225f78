// Attempts to sign in, counted where all nodes see them.
import type { Db } from '#postgres/sql.ts'

export type Attempts = { n: number; endsInMs: number }

/** Counts one more attempt of each subject, and answers how many its window has seen. */
export const countAttempts = async (sql: Db, subjects: readonly Buffer[], windowSecs: number): Promise<Attempts[]> => {
  const counted = await sql<(Attempts & { subject: Buffer })[]>`
    insert into sign_in_attempts as a (subject, begun_at, n)
    select decode(subject, 'hex'), now(), 1
    from unnest(${subjects.map((it) => it.toString('hex'))}::text[]) as t (subject)
    order by subject
    on conflict (subject) do update
      set n = case when a.begun_at < now() - ${windowSecs}::float8 * interval '1 s' then 1 else a.n + 1 end,
        begun_at = case when a.begun_at < now() - ${windowSecs}::float8 * interval '1 s' then now() else a.begun_at end
    returning subject, n,
      extract(epoch from begun_at + ${windowSecs}::float8 * interval '1 s' - now())::float8 * 1000 as "endsInMs"`
  return subjects.map((subject) => counted.find((it) => subject.equals(it.subject))!)
}

/** Takes one attempt of each back: it was a good one. */
export const forgiveAttempts = (sql: Db, subjects: readonly Buffer[]) => sql`
  update sign_in_attempts set n = greatest(0, n - 1)
  where subject = any(select decode(it, 'hex') from unnest(${subjects.map((it) => it.toString('hex'))}::text[]) as it)`
