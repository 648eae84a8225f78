// The policy: as a form or as JSON, with what differs from the one in force, tried on the agent's past before it is set.
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { setPolicy, tryPolicy } from '../../api/calls.ts'
import { useMay } from '../../api/session.ts'
import { counted, money } from '../../look/words.ts'
import { useAct } from '../../parts/act.ts'
import { Button } from '../../parts/button.tsx'
import { sentenceOf } from '../../parts/notes.tsx'
import { Panel } from '../../parts/panel.tsx'
import { JsonField } from '../../parts/schema-form.tsx'
import { Table } from '../../parts/table.tsx'
import { Time } from '../../parts/time.tsx'
import styles from './agents.module.css'
import { PolicyForm } from './policy-form.tsx'
import type { Agent } from './switch.tsx'

export type Policy = Parameters<typeof setPolicy>[0]['policy']
type Mode = 'enforce' | 'observe'

export function PolicyEditor({ agent }: { agent: Agent }) {
  const may = useMay()
  const inForce: Policy = agent.policy ?? {}
  const [draft, setDraft] = useState<Policy>(inForce)
  const [asJson, setAsJson] = useState(false)
  const [problem, setProblem] = useState<string | undefined>()
  const [days, setDays] = useState(7)
  const trial = useMutation({ mutationFn: () => tryPolicy({ agent_id: agent.id, policy: draft, days }) })
  const put = useAct((mode: Mode) => setPolicy({ agent_id: agent.id, mode, policy: draft }), ['agent', 'agents'])
  const changes = differences(inForce, draft)
  const change = (next: Policy) => {
    setDraft(next)
    trial.reset()
  }
  const error = put.error ?? trial.error
  return (
    <div className={styles.columns}>
      <Panel
        title={
          agent.policy_version === 0
            ? 'No policy is in force'
            : `Version ${agent.policy_version} is in force (${agent.policy_mode})`
        }
        tools={<Button onClick={() => setAsJson(!asJson)}>{asJson ? 'As a form' : 'As JSON'}</Button>}
        pad
      >
        {asJson ? (
          <JsonField
            label="Policy (JSON)"
            rows={20}
            value={draft}
            onChange={(value, wrong) => {
              setProblem(wrong)
              if (wrong === undefined && typeof value === 'object' && value !== null) change(value as Policy)
            }}
          />
        ) : (
          <PolicyForm policy={draft} onChange={change} />
        )}
      </Panel>
      <div className={styles.stack}>
        <Panel title="What would change" pad>
          {changes.length === 0 ? (
            <p className={styles.muted}>Nothing differs from what is in force.</p>
          ) : (
            <ul className={styles.changes}>
              {changes.map(({ field, was, willBe }) => (
                <li key={field}>
                  <code>{field}</code> <del>{was}</del> <ins>{willBe}</ins>
                </li>
              ))}
            </ul>
          )}
          <div className={styles.actions}>
            <label>
              Last{' '}
              <select value={days} onChange={({ target }) => setDays(Number(target.value))}>
                {[1, 7, 14, 30].map((it) => (
                  <option key={it} value={it}>
                    {counted(it, 'day')}
                  </option>
                ))}
              </select>
            </label>
            <Button disabled={problem !== undefined || trial.isPending} onClick={() => trial.mutate()}>
              Try on the past
            </Button>
            {may('agents:write') && (
              <>
                <Button disabled={problem !== undefined || put.isPending} onClick={() => put.mutate('observe')}>
                  Put in force: observe
                </Button>
                <Button
                  look="main"
                  disabled={problem !== undefined || put.isPending}
                  onClick={() => put.mutate('enforce')}
                >
                  Put in force: enforce
                </Button>
              </>
            )}
          </div>
          {error && (
            <p role="alert" className={styles.error}>
              {sentenceOf(error)}
            </p>
          )}
        </Panel>
        {trial.data && <Trial trial={trial.data} />}
      </div>
    </div>
  )
}

type Change = { field: string; was: string; willBe: string }

function differences(was: Policy, willBe: Policy): Change[] {
  const words = (value: unknown) => (value === undefined ? 'not set' : JSON.stringify(value))
  const [before, after] = [new Map(Object.entries(was)), new Map(Object.entries(willBe))]
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((field) => ({ field, was: words(before.get(field)), willBe: words(after.get(field)) }))
    .filter((change) => change.was !== change.willBe)
}

function Trial({ trial }: { trial: Awaited<ReturnType<typeof tryPolicy>> }) {
  const { calls, truncated, allowed, stopped, newly_stopped, newly_allowed, samples } = trial
  return (
    <Panel title={`On ${counted(calls, 'past call')}${truncated ? ', the latest of more' : ''}`} pad>
      <p role="status">
        It would have allowed <strong>{counted(allowed, 'call')}</strong>. It would newly stop{' '}
        <strong>{newly_stopped}</strong> and newly allow <strong>{newly_allowed}</strong>.
      </p>
      {stopped.length > 0 && (
        <Table
          label="Stopped, by rule"
          rows={stopped}
          keyOf={({ reason }) => reason}
          columns={[
            { name: 'Rule', cell: ({ reason }) => reason },
            { name: 'Calls', right: true, cell: (it) => it.calls },
          ]}
        />
      )}
      {samples.length > 0 && (
        <Table
          label="Calls that would be judged otherwise"
          rows={samples}
          keyOf={({ at, tool }) => `${at} ${tool}`}
          columns={[
            { name: 'When', cell: ({ at }) => <Time at={at} /> },
            { name: 'Tool', cell: ({ tool }) => tool },
            { name: 'Was', cell: ({ was }) => was },
            { name: 'Would be', cell: ({ would_be }) => would_be },
          ]}
        />
      )}
    </Panel>
  )
}

export const moneyWords = (microusd: number | null | undefined): string =>
  microusd === null || microusd === undefined ? 'no limit' : money(microusd)
