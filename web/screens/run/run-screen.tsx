import { useQuery } from '@tanstack/react-query'
import { Link, useCanGoBack, useNavigate, useParams, useRouter, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import type { Run } from '#contract/runs/run.ts'
import { isOver } from '#core/run.ts'
import { BASE } from '../../api/call.ts'
import { getRun, listRunInputs, listUsage } from '../../api/calls.ts'
import { useKeys } from '../../frame/keys.ts'
import { money, shortId } from '../../look/words.ts'
import { Answered } from '../../parts/answered.tsx'
import { copyText } from '../../parts/copy.tsx'
import { ActorName, Id, RunLink } from '../../parts/id.tsx'
import { Failure, Loading } from '../../parts/notes.tsx'
import { StateChip } from '../../parts/state-chip.tsx'
import { Tabs } from '../../parts/tabs.tsx'
import { Elapsed, Time } from '../../parts/time.tsx'
import { useTitle } from '../../parts/title.ts'
import { one } from '../../routing/search.ts'
import { RunActions } from './actions.tsx'
import { AttemptsTab } from './attempts-tab.tsx'
import { CausesTab } from './causes-tab.tsx'
import { DataTab } from './data-tab.tsx'
import { ElsewhereTab } from './elsewhere-tab.tsx'
import { LogTab } from './log-tab.tsx'
import { PeopleTab } from './people-tab.tsx'
import { RawTab } from './raw-tab.tsx'
import styles from './run.module.css'
import { runBeside } from './run-beside.ts'
import { useRunLog } from './run-events.ts'
import { StateDiagram } from './states/state-diagram.tsx'
import { useTimeline } from './timeline/read-timeline.ts'
import { Timeline } from './timeline/timeline.tsx'
import { WhyLine } from './why-line.tsx'

export function RunScreen() {
  const { run_id } = useParams({ from: '/signed-in/runs/$run_id' })
  const query = useQuery({
    queryKey: ['run', run_id, 'head'],
    queryFn: ({ signal }) => getRun({ run_id, include: [] }, { signal }),
  })
  useTitle(`${query.data?.job_slug ?? 'Run'} ${shortId(run_id)}`)
  if (query.data) return <Opened run={query.data} key={query.data.id} />
  if (query.error)
    return <Failure error={query.error} what={`Run ${shortId(run_id)}`} onRetry={() => void query.refetch()} />
  return <Loading what="the run" />
}

const TABS = ['timeline', 'log', 'data', 'attempts', 'states', 'causes', 'people', 'elsewhere', 'raw'] as const

function Opened({ run }: { run: Run }) {
  const { tab } = useSearch({ from: '/signed-in/runs/$run_id' })
  const [pages, setPages] = useState(1)
  useRunKeys(run)
  const inputs = useQuery({
    queryKey: ['run', run.id, 'inputs'],
    queryFn: ({ signal }) => listRunInputs({ run_id: run.id, limit: 100 }, { signal }),
  })
  const current = TABS.find((it) => it === one(tab)) ?? 'timeline'
  const log = useRunLog(run.id, { pages, isShown: current === 'log' || current === 'raw' })
  const tabs = [
    { id: 'timeline', name: 'Timeline' },
    { id: 'log', name: 'Log', count: log.data?.events.length },
    { id: 'data', name: 'Data' },
    { id: 'attempts', name: 'Attempts', count: run.attempt },
    { id: 'states', name: 'States' },
    { id: 'causes', name: 'Causes' },
    { id: 'people', name: 'People', count: inputs.data?.data.length },
    { id: 'elsewhere', name: 'Elsewhere' },
    { id: 'raw', name: 'Raw' },
  ]
  return (
    <>
      <Breadcrumbs run={run} />
      <div className={styles.head}>
        <StateChip state={run.status} />
        <h1>
          {run.job_slug ?? 'External run'} {run.job_version !== null && <span>v{run.job_version}</span>}
        </h1>
        <Id id={run.id} what="run" />
        <RunActions run={run} />
      </div>
      <RunFacts run={run} />
      <WhyLine run={run} inputs={inputs.data?.data ?? []} />
      <Tabs label="Parts of the run" current={current} tabs={tabs} />
      {current === 'timeline' && <ShownTimeline run={run} />}
      {current === 'log' && (
        <Answered query={log} what="The log">
          {(data) => <LogTab log={data} onMore={() => setPages(pages + 1)} />}
        </Answered>
      )}
      {current === 'data' && <DataTab run={run} />}
      {current === 'attempts' && <AttemptsTab run={run} />}
      {current === 'states' && <StateDiagram run={run} />}
      {current === 'causes' && <CausesTab run={run} />}
      {current === 'people' && (
        <Answered query={inputs} what="What people were asked">
          {({ data }) => <PeopleTab inputs={data} />}
        </Answered>
      )}
      {current === 'elsewhere' && <ElsewhereTab run={run} />}
      {current === 'raw' && <RawTab run={run} log={log.data} />}
    </>
  )
}

/** The run beside it in the list that somebody came from, and copies of what names it. */
function useRunKeys({ id }: Run): void {
  const navigate = useNavigate()
  const router = useRouter()
  const canGoBack = useCanGoBack()
  const go = (by: number) => {
    const beside = runBeside(id, by)
    if (beside !== undefined) void navigate({ to: '/runs/$run_id', params: { run_id: beside } })
  }
  useKeys({
    j: () => go(1),
    k: () => go(-1),
    Escape: () => (canGoBack ? router.history.back() : void navigate({ to: '/runs' })),
    'y i': () => void copyText(id),
    'y l': () => void copyText(location.href),
    'y c': () => void copyText(`curl -H "Authorization: Bearer $KEY" '${BASE}/v1/runs/${encodeURIComponent(id)}'`),
  })
}

function ShownTimeline({ run }: { run: Run }) {
  const query = useTimeline(run.id)
  return (
    <Answered query={query} what="The timeline">
      {(timeline) => <Timeline run={run} timeline={timeline} />}
    </Answered>
  )
}

function Breadcrumbs({ run }: { run: Run }) {
  return (
    <nav className={styles.crumbs} aria-label="Where this run comes from">
      <Link to="/runs">Runs</Link>
      {run.job_slug !== null && (
        <>
          {' › '}
          <Link to="/runs" search={{ job: run.job_slug }}>
            {run.job_slug}
          </Link>
        </>
      )}
      {run.parent_run_id !== null && (
        <>
          {' › '}
          parent <RunLink id={run.parent_run_id} />
        </>
      )}
      {run.replayed_from !== null && (
        <>
          {' · '}replays <RunLink id={run.replayed_from} />
        </>
      )}
      {run.continuation_of !== null && (
        <>
          {' · '}continues <RunLink id={run.continuation_of} />
        </>
      )}
    </nav>
  )
}

function RunFacts({ run }: { run: Run }) {
  const usage = useQuery({
    queryKey: ['run', run.id, 'usage'],
    queryFn: ({ signal }) => listUsage({ run_id: run.id, limit: 1 }, { signal }),
  })
  const totals = usage.data?.totals
  return (
    <div className={styles.facts}>
      <span>
        Attempt <b>{run.attempt}</b> of {run.max_attempts}
      </span>
      {run.agent_id !== null && (
        <span>
          Agent{' '}
          <Link to="/agents/$agent_id" params={{ agent_id: run.agent_id }}>
            {run.agent_id}
          </Link>
        </span>
      )}
      {totals && totals.calls > 0 && (
        <span>
          Models <b>{money(totals.cost_microusd)}</b> · {totals.calls} calls
        </span>
      )}
      <span>
        Triggered <Time at={run.created_at} /> by <ActorName {...run.created_by} />
      </span>
      {run.started_at !== null && (
        <span>
          {isOver(run.status) ? 'Took' : 'Under way for'}{' '}
          <b>
            <Elapsed from={run.created_at} to={isOver(run.status) ? (run.finished_at ?? run.created_at) : null} />
          </b>
        </span>
      )}
      <span>
        Queue <b>{run.queue}</b>
      </span>
      {run.debug_mode && <span>Debug mode</span>}
      {Object.entries(run.tags).map(([key, value]) => (
        <span key={key}>
          {key} <b>{value}</b>
        </span>
      ))}
    </div>
  )
}
