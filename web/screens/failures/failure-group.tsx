// One group of failures: its latest error, when it happened, what its runs have in common, and what to do to all of them.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { Run } from '#contract/runs/run.ts'
import { listRuns } from '../../api/calls.ts'
import { useMay } from '../../api/session.ts'
import { count, counted, sentenceCase } from '../../look/words.ts'
import { Answered } from '../../parts/answered.tsx'
import { BarChart } from '../../parts/bar-chart.tsx'
import { Button } from '../../parts/button.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { RunLink } from '../../parts/id.tsx'
import { OperationDraft, type OperationKind } from '../../parts/operation-draft.tsx'
import { Facts, Panel } from '../../parts/panel.tsx'
import { StateChip } from '../../parts/state-chip.tsx'
import { Time } from '../../parts/time.tsx'
import styles from './failures.module.css'
import { type Group, messageOf } from './group.ts'

const LOOKED = 100
const SHOWN = 10
const UNIT_MS = { hour: 3_600_000, day: 86_400_000 } as const
const KINDS: readonly OperationKind[] = ['redrive', 'replay', 'dismiss']

type FailureGroupProps = {
  group: Group
  unit: keyof typeof UNIT_MS
  from: string
  isKnown: boolean
  onKnown: () => void
}

export function FailureGroup({ group, unit, from, isKnown, onKnown }: FailureGroupProps) {
  const { error_group, job_slug, error_code, sample, versions } = group
  const may = useMay()
  const [asked, setAsked] = useState<OperationKind | undefined>()
  const runs = useQuery({
    queryKey: ['runs', 'of group', error_group],
    queryFn: ({ signal }) => listRuns({ error_group, limit: LOOKED }, { signal }),
  })
  const kinds = KINDS.filter((kind) => may(kind === 'redrive' ? 'runs:redrive' : 'runs:write'))
  return (
    <div className={styles.opened}>
      <Panel
        title={messageOf(group)}
        tools={
          <Button hint="m" aria-pressed={isKnown} onClick={onKnown}>
            {isKnown ? 'Known' : 'Mark as known'}
          </Button>
        }
        pad
      >
        <Facts
          items={[
            [
              'Job',
              job_slug === null ? (
                'external runs'
              ) : (
                <Link key="job" to="/jobs/$job" params={{ job: job_slug }}>
                  {job_slug}
                </Link>
              ),
            ],
            error_code !== null && ['Code', <code key="code">{error_code}</code>],
            ['Failed', `${counted(group.count, 'time')} in this window`],
            ['First seen', <Time key="first" at={group.first_seen_at} />],
            ['Last seen', <Time key="last" at={group.last_seen_at} />],
            versions.length > 0 && [
              'Versions',
              versions.map(({ version, count: n }) => `v${version} ${count(n)}×`).join(', '),
            ],
          ]}
        />
        <h3>
          The latest{' '}
          {sample.run_id !== null && (
            <span>
              in run <RunLink id={sample.run_id} />
            </span>
          )}
        </h3>
        <pre className={styles.sample}>{sample.error ?? 'It gave no message.'}</pre>
        <div className={styles.actions}>
          {kinds.map((kind) => (
            <Button key={kind} look={kind === 'redrive' ? 'main' : 'plain'} onClick={() => setAsked(kind)}>
              {sentenceCase(kind)} all …
            </Button>
          ))}
          <Link to="/runs" search={{ error_group }}>
            Open as a list of runs <kbd>o</kbd>
          </Link>
        </div>
      </Panel>
      <Panel title={unit === 'hour' ? 'By the hour' : 'By the day'} pad>
        <Chart group={group} unit={unit} from={from} />
      </Panel>
      <Panel title="Runs that are failed like this now">
        <Answered query={runs} what="The runs">
          {({ data, has_more }) => <RunsOfGroup runs={data} hasMore={has_more} />}
        </Answered>
      </Panel>
      <Dialog
        open={asked !== undefined}
        onClose={() => setAsked(undefined)}
        title={asked ? `${sentenceCase(asked)} the runs of this group` : ''}
      >
        {asked && (
          <OperationDraft
            kind={asked}
            filter={{ error_group }}
            words={messageOf(group)}
            onClose={() => setAsked(undefined)}
          />
        )}
      </Dialog>
    </div>
  )
}

function Chart({ group: { counts }, unit, from }: Pick<FailureGroupProps, 'group' | 'unit' | 'from'>) {
  const startMs = Date.parse(from)
  const labelOf = (at: number) => {
    const time = new Date(startMs + at * UNIT_MS[unit]).toISOString()
    return unit === 'hour' ? `${time.slice(5, 10)} ${time.slice(11, 16)} UTC` : time.slice(0, 10)
  }
  const stacks = counts.map((value, at) => ({ label: labelOf(at), parts: [{ name: 'failures', value }] }))
  return (
    <BarChart
      label="Failures over time"
      stacks={stacks}
      names={['failures']}
      words={count}
      colours={['var(--bad)']}
      unit={unit}
    />
  )
}

function RunsOfGroup({ runs, hasMore }: { runs: readonly Run[]; hasMore: boolean }) {
  if (runs.length === 0)
    return <p className={styles.none}>None: they were redriven since, or are past their retention period.</p>
  const common = commonOf(runs)
  return (
    <>
      {common.length > 0 && (
        <p className={styles.common}>
          {hasMore ? `The latest ${runs.length}` : `All ${runs.length}`} have in common: {common.join(', ')}
        </p>
      )}
      <ul className={styles.runs}>
        {runs.slice(0, SHOWN).map(({ id, status, finished_at, attempt, max_attempts }) => (
          <li key={id}>
            <StateChip state={status} />
            <RunLink id={id} />
            <span>
              attempt {attempt}/{max_attempts}, <Time at={finished_at} />
            </span>
          </li>
        ))}
      </ul>
    </>
  )
}

/** What all of these runs share, beyond their job. */
function commonOf(runs: readonly Run[]): string[] {
  const [first] = runs
  if (!first || runs.length < 2) return []
  const all = (is: (run: Run) => boolean) => runs.every(is)
  const tags = Object.entries(first.tags).filter(([key, value]) =>
    all(({ tags: of }) => new Map(Object.entries(of)).get(key) === value),
  )
  return [
    ...(first.job_version !== null && all((run) => run.job_version === first.job_version)
      ? [`version ${first.job_version}`]
      : []),
    ...(all((run) => run.queue === first.queue) ? [`queue ${first.queue}`] : []),
    ...(first.agent_id !== null && all((run) => run.agent_id === first.agent_id) ? [`agent ${first.agent_id}`] : []),
    ...tags.map(([key, value]) => `tag ${key}=${value}`),
  ]
}
