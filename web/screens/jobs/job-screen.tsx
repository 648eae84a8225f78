import { useQuery } from '@tanstack/react-query'
import { Link, useParams, useSearch } from '@tanstack/react-router'
import type { Job } from '#contract/job.ts'
import { getJob, listDependencies, listJobVersions, listRuns } from '../../api/calls.ts'
import { counted, duration } from '../../look/words.ts'
import { Answered } from '../../parts/answered.tsx'
import { RunLink } from '../../parts/id.tsx'
import { JsonTree } from '../../parts/json-tree.tsx'
import { Empty } from '../../parts/notes.tsx'
import { Facts, Panel } from '../../parts/panel.tsx'
import { StateChip } from '../../parts/state-chip.tsx'
import { Table } from '../../parts/table.tsx'
import { Tabs } from '../../parts/tabs.tsx'
import { Time } from '../../parts/time.tsx'
import { useTitle } from '../../parts/title.ts'
import { one } from '../../routing/search.ts'
import { JobActions } from './job-actions.tsx'
import { JobState } from './job-state.tsx'
import styles from './jobs.module.css'
import { Versions } from './versions.tsx'

const TABS = [
  { id: 'runs', name: 'Runs' },
  { id: 'settings', name: 'Settings' },
  { id: 'versions', name: 'Versions' },
]

export function JobScreen() {
  const { job } = useParams({ from: '/signed-in/jobs/$job' })
  const { tab } = useSearch({ from: '/signed-in/jobs/$job' })
  useTitle(job)
  const query = useQuery({ queryKey: ['job', job, 'head'], queryFn: ({ signal }) => getJob({ job }, { signal }) })
  const current = TABS.find(({ id }) => id === one(tab))?.id ?? 'runs'
  return (
    <Answered query={query} what={`Job ${job}`}>
      {(found) => (
        <>
          <div className={styles.head}>
            <JobState job={found} />
            <h1>
              {found.slug} <span>v{found.version}</span>
            </h1>
            <JobActions job={found} />
          </div>
          {found.description !== '' && <p className={styles.muted}>{found.description}</p>}
          {found.paused_at !== null && (
            <p className={styles.muted}>
              Paused <Time at={found.paused_at} />
              {found.pause_reason !== null && `: ${found.pause_reason}`}
            </p>
          )}
          <Tabs label="Parts of the job" current={current} tabs={TABS} />
          {current === 'runs' && <LatestRuns job={found} />}
          {current === 'settings' && <SettingsOf job={found} />}
          {current === 'versions' && <JobVersions job={found} />}
        </>
      )}
    </Answered>
  )
}

function LatestRuns({ job: { slug } }: { job: Job }) {
  const query = useQuery({
    queryKey: ['runs', 'of job', slug],
    queryFn: ({ signal }) => listRuns({ job: slug, limit: 20 }, { signal }),
  })
  return (
    <Panel
      title="Latest runs"
      tools={
        <Link to="/runs" search={{ job: slug }}>
          All
        </Link>
      }
    >
      <Answered query={query} what="The runs">
        {({ data }) =>
          data.length === 0 ? (
            <Empty title="No runs yet">Trigger one above, or by the API.</Empty>
          ) : (
            <Table
              label="Latest runs"
              rows={data}
              keyOf={({ id }) => id}
              columns={[
                { name: 'State', cell: ({ status }) => <StateChip state={status} /> },
                { name: 'Run', cell: ({ id }) => <RunLink id={id} /> },
                { name: 'Version', right: true, cell: ({ job_version }) => `v${job_version}`, wide: true },
                { name: 'Triggered', cell: ({ created_at }) => <Time at={created_at} /> },
                { name: 'By', cell: ({ triggered_by }) => triggered_by, wide: true },
                { name: 'Error', cell: ({ error, status }) => status !== 'completed' && error, wide: true },
              ]}
            />
          )
        }
      </Answered>
    </Panel>
  )
}

function SettingsOf({ job }: { job: Job }) {
  return (
    <div className={styles.columns}>
      <Panel title="Execution" pad>
        <Facts
          items={[
            ['Execution', job.execution],
            ['Queue', job.queue],
            job.endpoint_url !== null && ['Endpoint', <code key="url">{job.endpoint_url}</code>],
            ['Attempts', `${job.max_attempts}, ${job.retry_strategy}`],
            ['Timeout', duration(job.timeout_secs * 1000)],
            ['Concurrency', job.max_concurrency === 0 ? 'unlimited' : String(job.max_concurrency)],
            ['Per key', job.max_concurrency_per_key === 0 ? 'unlimited' : String(job.max_concurrency_per_key)],
            ['When paused', job.when_paused === 'hold' ? 'new runs wait' : 'new runs are refused'],
          ]}
        />
      </Panel>
      <Panel title="Schedule" pad>
        {job.cron === null ? (
          <p className={styles.muted}>The job has no schedule.</p>
        ) : (
          <Facts
            items={[
              ['Cron', <code key="cron">{job.cron}</code>],
              ['Zone', job.timezone],
              ['Next', <Time key="next" at={job.next_cron_at} />],
              ['Overlap', job.cron_overlap_policy],
              ['Missed ticks', job.cron_missed_policy],
            ]}
          />
        )}
      </Panel>
      {job.payload_schema && (
        <Panel title="Payload schema" pad>
          <JsonTree value={job.payload_schema} label="Payload schema" />
        </Panel>
      )}
      {job.result_schema && (
        <Panel title="Result schema" pad>
          <JsonTree value={job.result_schema} label="Result schema" />
        </Panel>
      )}
      <Dependencies job={job} />
    </div>
  )
}

function Dependencies({ job: { slug } }: { job: Job }) {
  const query = useQuery({
    queryKey: ['job', slug, 'dependencies'],
    queryFn: ({ signal }) => listDependencies({ job: slug }, { signal }),
  })
  return (
    <Panel title="Depends on" pad>
      <Answered query={query} what="The dependencies">
        {({ data }) =>
          data.length === 0 ? (
            <p className={styles.muted}>No other job.</p>
          ) : (
            <ul>
              {data.map(({ id, depends_on_job_id, condition }) => (
                <li key={id}>
                  <Link to="/jobs/$job" params={{ job: depends_on_job_id }}>
                    {depends_on_job_id}
                  </Link>{' '}
                  {condition}
                </li>
              ))}
            </ul>
          )
        }
      </Answered>
    </Panel>
  )
}

function JobVersions({ job: { slug } }: { job: Job }) {
  const query = useQuery({
    queryKey: ['job', slug, 'versions'],
    queryFn: ({ signal }) => listJobVersions({ job: slug, limit: 50 }, { signal }),
  })
  return (
    <Answered query={query} what="The versions">
      {({ data }) => (
        <Panel title={counted(data.length, 'version')}>
          <Versions versions={data} />
        </Panel>
      )}
    </Answered>
  )
}
