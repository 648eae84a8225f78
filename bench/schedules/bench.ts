// The schedules bench: how late the runs of jobs begin to exist that are all due at the same minute.
import { Client } from 'undici'
import { connect, type Sql } from '../../src/postgres/sql.ts'
import { poster } from '../lib/call.ts'
import { tails } from '../lib/numbers.ts'
import { report, say } from '../lib/report.ts'
import { BENCH_KEY, startRunyard } from '../lib/runyard.ts'
import { onStage } from '../lib/stage.ts'

const JOBS = Number(process.env.BENCH_JOBS ?? 10_000)
const PROJECTS = 20
const MINUTES = 2
const WAIT_MS_MAX = (MINUTES + 2) * 60_000
const TARGET_MS = 1_000

export const schedulesBench = (): Promise<void> =>
  onStage(async (stage) => {
    const url = await stage.freshDatabase()
    const server = await startRunyard(url)
    stage.atEnd(server.stop)
    const client = new Client(server.address)
    await poster(client, BENCH_KEY)('/v1/jobs', { slug: 'first', execution: 'worker' })
    await client.close()
    const sql = connect(url, { max: 1, name: 'runyard-bench' })
    stage.atEnd(() => sql.end())
    await addJobs(sql)
    say(`  ${JOBS} jobs of ${PROJECTS} projects are due every minute`)
    tell(await latenesses(sql))
  })

/** Copies of the job that the API made; due at the next full minute but one. */
async function addJobs(sql: Sql): Promise<void> {
  await sql`insert into projects (id, name) select 'bench-' || n, 'bench' from generate_series(0, ${PROJECTS - 1}) n`
  await sql`update job_versions set definition = definition || '{"cron": "* * * * *"}'`
  const columns = sql.unsafe(await writtenColumns(sql))
  await sql`
    with made as (
      insert into jobs (${columns})
      select ${columns} from (
        select (jsonb_populate_record(j, jsonb_build_object('id', gen_random_uuid(), 'slug', 'job-' || n,
          'project_id', 'bench-' || n % ${PROJECTS}, 'next_cron_at', date_trunc('minute', now()) + interval '2 minutes'))).*
        from jobs j, generate_series(1, ${JOBS}::int) n
      ) copies
      returning id
    )
    insert into job_versions select (jsonb_populate_record(v, jsonb_build_object('id', gen_random_uuid(), 'job_id', made.id))).*
    from job_versions v, made`
  await sql`analyze jobs, job_versions`
}

/** Of jobs, all but the generated ones. */
async function writtenColumns(sql: Sql): Promise<string> {
  const [row] = await sql<{ columns: string }[]>`
    select string_agg(quote_ident(attname), ', ' order by attnum) as columns
    from pg_attribute
    where attrelid = 'jobs'::regclass and attnum > 0 and attgenerated = '' and not attisdropped`
  return row!.columns
}

/** Of the runs of the first minutes, by minute: the milliseconds from the tick to the run. */
async function latenesses(sql: Sql): Promise<number[][]> {
  const endMs = performance.now() + WAIT_MS_MAX
  for (;;) {
    const rows = await sql<{ late: number[] }[]>`
      select array_agg(extract(epoch from created_at - (metadata->>'tick')::timestamptz)::float8 * 1000) as late
      from runs group by metadata->>'tick' having count(*) = ${JOBS} order by metadata->>'tick'`
    if (rows.length >= MINUTES) return rows.slice(0, MINUTES).map((row) => row.late)
    if (performance.now() > endMs) throw new Error(`the jobs were not all fired within ${WAIT_MS_MAX} ms`)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  }
}

function tell(minutes: readonly number[][]): void {
  minutes.forEach((late, index) => {
    const { p50, p99, max } = tails(late)
    report(
      {
        bench: 'schedules',
        ours: max,
        peer: null,
        ratio: null,
        unit: 'ms, the latest',
        target: TARGET_MS,
        jobs: JOBS,
        minute: index + 1,
        details: { p50, p99, max },
      },
      `${JOBS} jobs of the same minute: p50 ${p50} ms late, p99 ${p99} ms, the latest ${max} ms, wanted ${TARGET_MS}`,
    )
  })
}
