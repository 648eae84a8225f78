import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useSearch } from '@tanstack/react-router'
import { BASE } from '../../api/call.ts'
import { listJobs } from '../../api/calls.ts'
import { count } from '../../look/words.ts'
import { Button } from '../../parts/button.tsx'
import { Snippet } from '../../parts/copy.tsx'
import { Empty, Failure, Loading } from '../../parts/notes.tsx'
import { Panel } from '../../parts/panel.tsx'
import { Table } from '../../parts/table.tsx'
import { Time } from '../../parts/time.tsx'
import { useTitle } from '../../parts/title.ts'
import { many, one } from '../../routing/search.ts'
import { JobState } from './job-state.tsx'

type Executions = NonNullable<Parameters<typeof listJobs>[0]['execution']>
const EXECUTIONS: readonly Executions[] = ['http', 'worker', 'external']

export function JobsScreen() {
  useTitle('Jobs')
  const search = useSearch({ from: '/signed-in/jobs' })
  const execution = EXECUTIONS.find((it) => it === one(search.execution))
  const slug = one(search.slug)
  const tag = many(search.tag)
  const filter = { ...(slug && { slug }), ...(tag.length > 0 && { tag }), ...(execution && { execution }) }
  const query = useInfiniteQuery({
    queryKey: ['jobs', 'list', filter],
    queryFn: ({ pageParam, signal }) =>
      listJobs({ ...filter, limit: 100, ...(pageParam !== '' && { cursor: pageParam }) }, { signal }),
    initialPageParam: '',
    getNextPageParam: ({ next_cursor }) => next_cursor ?? undefined,
  })
  const jobs = query.data?.pages.flatMap(({ data }) => data)
  return (
    <>
      <h1>Jobs</h1>
      <Panel label="Jobs">
        {query.error && !jobs ? (
          <Failure error={query.error} what="The jobs" onRetry={() => void query.refetch()} />
        ) : !jobs ? (
          <Loading what="jobs" />
        ) : jobs.length === 0 ? (
          <Empty title={Object.keys(filter).length > 0 ? 'No job matches these filters' : 'No jobs yet'}>
            <p>A job says what is to be run, how, how often and how much of it at once.</p>
            <Snippet label="Copy the command" text={firstJob(BASE)} />
          </Empty>
        ) : (
          <Table
            label="Jobs"
            rows={jobs}
            keyOf={({ id }) => id}
            columns={[
              {
                name: 'Job',
                cell: ({ slug }) => (
                  <Link to="/jobs/$job" params={{ job: slug }}>
                    {slug}
                  </Link>
                ),
              },
              { name: 'State', cell: (job) => <JobState job={job} /> },
              { name: 'Execution', cell: ({ execution }) => execution },
              { name: 'Queue', cell: ({ queue }) => queue, wide: true },
              {
                name: 'Schedule',
                wide: true,
                cell: ({ cron, timezone }) =>
                  cron === null ? (
                    ''
                  ) : (
                    <>
                      <code>{cron}</code> {timezone}
                    </>
                  ),
              },
              { name: 'Next', cell: ({ next_cron_at }) => <Time at={next_cron_at} none="" /> },
              { name: 'Version', right: true, cell: ({ version }) => count(version), wide: true },
              {
                name: 'Runs',
                wide: true,
                cell: ({ slug }) => (
                  <Link to="/runs" search={{ job: slug }}>
                    its runs
                  </Link>
                ),
              },
            ]}
          />
        )}
        {query.hasNextPage && <Button onClick={() => void query.fetchNextPage()}>More</Button>}
      </Panel>
    </>
  )
}

const firstJob = (url: string): string =>
  `curl -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\
  ${url}/v1/jobs -d '{"slug": "greet", "execution": "worker", "queue": "greetings"}'`
