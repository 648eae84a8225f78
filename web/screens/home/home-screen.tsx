// What needs a person comes first, what flows second, what it costs third.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { RunState } from '#core/run.ts'
import { agentSpend, getStats, listAgents, listFailures, listInputs, listJobs } from '../../api/calls.ts'
import { useMay } from '../../api/session.ts'
import { count, counted, duration, money } from '../../look/words.ts'
import { Answered } from '../../parts/answered.tsx'
import { Empty } from '../../parts/notes.tsx'
import { Panel } from '../../parts/panel.tsx'
import { Sparkline } from '../../parts/sparkline.tsx'
import { StateIcon } from '../../parts/state-chip.tsx'
import { Table } from '../../parts/table.tsx'
import { Countdown, Time } from '../../parts/time.tsx'
import { useTitle } from '../../parts/title.ts'
import { Ended } from './ended.tsx'
import styles from './home.module.css'

const NEEDED_MAX = 5
const LATEST = 8

export function HomeScreen() {
  useTitle('Home')
  const may = useMay()
  return (
    <>
      <h1>Home</h1>
      <NeedsYou />
      <Flow />
      <Ended />
      <div className={styles.columns}>
        <LatestFailures />
        <div className={styles.stack}>
          {may('agents:read') && <Spend />}
          {may('jobs:read') && <NextSchedules />}
        </div>
      </div>
    </>
  )
}

function NeedsYou() {
  const may = useMay()
  const inputs = useQuery({
    queryKey: ['inputs', 'pending', 100],
    queryFn: ({ signal }) => listInputs({ status: 'pending', limit: 100 }, { signal }),
  })
  const stats = useQuery({ queryKey: ['stats'], queryFn: ({ signal }) => getStats({}, { signal }) })
  const agents = useQuery({
    queryKey: ['agents', 'names'],
    queryFn: ({ signal }) => listAgents({ limit: 200 }, { signal }),
    enabled: may('agents:read'),
  })
  const pending = inputs.data?.data ?? []
  const dead = stats.data?.runs.dead_letter ?? 0
  const paused = stats.data?.runs.paused ?? 0
  const off = (agents.data?.data ?? []).filter(({ enabled }) => !enabled)
  const isCalm = pending.length === 0 && dead === 0 && paused === 0 && off.length === 0
  return (
    <Panel title="Needs you">
      <Answered query={stats} what="What needs you">
        {() =>
          isCalm ? (
            <p className={styles.calm}>
              Nothing needs a person now: no question is open, no dead letter waits, all agents are on.
            </p>
          ) : (
            <ul className={styles.needs}>
              {pending.slice(-NEEDED_MAX).map((input) => (
                <li key={input.id}>
                  <StateIcon state="waiting" />
                  <Link to="/inbox" search={{ input_request_id: input.id }}>
                    {input.prompt}
                  </Link>
                  <span>
                    asked <Time at={input.created_at} />
                    {input.expires_at !== null && (
                      <>
                        {', '}expires <Countdown to={input.expires_at} />
                      </>
                    )}
                  </span>
                </li>
              ))}
              {pending.length > NEEDED_MAX && (
                <li>
                  <Link to="/inbox">{counted(pending.length - NEEDED_MAX, 'more question')}</Link>
                </li>
              )}
              {dead > 0 && (
                <li>
                  <StateIcon state="dead_letter" />
                  <Link to="/runs" search={{ status: 'dead_letter' }}>
                    {counted(dead, 'dead letter')}
                  </Link>
                  <span>to redrive or dismiss</span>
                </li>
              )}
              {paused > 0 && (
                <li>
                  <StateIcon state="paused" />
                  <Link to="/runs" search={{ status: 'paused' }}>
                    {counted(paused, 'paused run')}
                  </Link>
                  <span>to resume</span>
                </li>
              )}
              {off.map(({ id, disabled_reason, disabled_at }) => (
                <li key={id}>
                  <StateIcon state="canceled" />
                  <Link to="/agents/$agent_id" params={{ agent_id: id }}>
                    {id} is off
                  </Link>
                  <span>
                    <Time at={disabled_at} /> {disabled_reason}
                  </span>
                </li>
              ))}
            </ul>
          )
        }
      </Answered>
    </Panel>
  )
}

const SHOWN_STATES: readonly RunState[] = [
  'queued',
  'delayed',
  'executing',
  'waiting',
  'completed',
  'failed',
  'dead_letter',
  'canceled',
]

function Flow() {
  const stats = useQuery({ queryKey: ['stats'], queryFn: ({ signal }) => getStats({}, { signal }) })
  return (
    <Panel title="Flow">
      <Answered query={stats} what="What flows">
        {({ runs, queues }) => (
          <>
            <div className={styles.counts}>
              {SHOWN_STATES.map((state) => (
                <Link key={state} to="/runs" search={{ status: state }}>
                  <b>{count(runs[state])}</b>
                  <span>
                    <StateIcon state={state} /> {state.replace('_', ' ')}
                  </span>
                </Link>
              ))}
            </div>
            {queues.length > 0 && (
              <Table
                label="Queues"
                rows={queues}
                keyOf={({ queue }) => queue}
                columns={[
                  {
                    name: 'Queue',
                    cell: ({ queue }) => (
                      <Link to="/runs" search={{ queue }}>
                        {queue}
                      </Link>
                    ),
                  },
                  { name: 'Queued', right: true, cell: ({ queued }) => count(queued) },
                  { name: 'Delayed', right: true, cell: ({ delayed }) => count(delayed) },
                  { name: 'Executing', right: true, cell: ({ executing }) => count(executing) },
                  {
                    name: 'Oldest waits',
                    right: true,
                    cell: ({ oldest_age_ms }) => (oldest_age_ms === null ? '–' : duration(oldest_age_ms)),
                  },
                ]}
              />
            )}
          </>
        )}
      </Answered>
    </Panel>
  )
}

function LatestFailures() {
  const query = useQuery({
    queryKey: ['failures', 'home'],
    queryFn: ({ signal }) => listFailures({ limit: LATEST }, { signal }),
  })
  return (
    <Panel title="Failures, 24 hours" tools={<Link to="/failures">All</Link>}>
      <Answered query={query} what="The failures">
        {({ data }) =>
          data.length === 0 ? (
            <Empty title="Nothing failed in the last 24 hours" />
          ) : (
            <ul className={styles.failures}>
              {data.map(({ error_group, job_slug, message, error_code, count: n, counts, last_seen_at }) => (
                <li key={error_group}>
                  <b>{count(n)}</b>
                  <Link to="/failures" search={{ error_group }}>
                    {message !== '' ? message : (error_code ?? 'no message')}
                  </Link>
                  <Sparkline values={counts} />
                  <p>
                    {job_slug ?? 'external runs'} · last <Time at={last_seen_at} />
                  </p>
                </li>
              ))}
            </ul>
          )
        }
      </Answered>
    </Panel>
  )
}

const WEEK_MS = 7 * 86_400_000

function Spend() {
  const query = useQuery({
    queryKey: ['usage', 'home'],
    queryFn: ({ signal }) => agentSpend({ from: new Date(Date.now() - WEEK_MS).toISOString() }, { signal }),
  })
  return (
    <Panel title="Spend, 7 days" tools={<Link to="/usage">Usage</Link>} pad>
      <Answered query={query} what="The spend">
        {({ totals, data, models }) => {
          const byAgent = new Map<string, number>()
          for (const { agent_id, cost_microusd } of [...data, ...models])
            byAgent.set(agent_id, (byAgent.get(agent_id) ?? 0) + cost_microusd)
          return (
            <>
              <p className={styles.total}>{money(totals.cost_microusd)}</p>
              <p className={styles.muted}>
                models {money(totals.models_microusd)}, tools {money(totals.tools_microusd)}
              </p>
              <ul className={styles.plain}>
                {[...byAgent]
                  .sort((a, b) => b[1] - a[1])
                  .slice(0, NEEDED_MAX)
                  .map(([agent_id, cost]) => (
                    <li key={agent_id}>
                      <Link to="/usage" search={{ group_by: 'agent' }}>
                        {agent_id}
                      </Link>{' '}
                      {money(cost)}
                    </li>
                  ))}
              </ul>
            </>
          )
        }}
      </Answered>
    </Panel>
  )
}

function NextSchedules() {
  const query = useQuery({ queryKey: ['jobs', 'names'], queryFn: ({ signal }) => listJobs({ limit: 200 }, { signal }) })
  return (
    <Panel title="Next schedules" pad>
      <Answered query={query} what="The schedules">
        {({ data }) => {
          const next = data
            .filter(({ next_cron_at }) => next_cron_at !== null)
            .sort((a, b) => String(a.next_cron_at).localeCompare(String(b.next_cron_at)))
          return next.length === 0 ? (
            <p className={styles.muted}>No job has a schedule.</p>
          ) : (
            <ul className={styles.plain}>
              {next.slice(0, NEEDED_MAX).map(({ id, slug, next_cron_at }) => (
                <li key={id}>
                  <Link to="/jobs/$job" params={{ job: slug }}>
                    {slug}
                  </Link>{' '}
                  <Time at={next_cron_at} />
                </li>
              ))}
            </ul>
          )
        }}
      </Answered>
    </Panel>
  )
}
