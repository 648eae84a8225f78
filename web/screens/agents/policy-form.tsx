// The fields of a policy that people change; JSON has all of them.
import { useId } from 'react'
import { LinesField } from '../../parts/lines-field.tsx'
import styles from './agents.module.css'
import { moneyWords, type Policy } from './policy-editor.tsx'

type PolicyFormProps = { policy: Policy; onChange: (next: Policy) => void }

const MICRO = 1_000_000

export function PolicyForm({ policy, onChange }: PolicyFormProps) {
  const set = (change: Policy) => onChange({ ...policy, ...change })
  return (
    <div className={styles.form}>
      <Tools
        label="Allowed tools (empty: all that are not blocked)"
        tools={policy.allowed_tools ?? []}
        onChange={(tools) => set({ allowed_tools: tools.length > 0 ? tools : null })}
      />
      <Tools
        label="Blocked tools"
        tools={policy.blocked_tools ?? []}
        onChange={(blocked_tools) => set({ blocked_tools })}
      />
      <Tools
        label="Tools that a person approves"
        tools={policy.approval_tools ?? []}
        onChange={(approval_tools) => set({ approval_tools })}
      />
      <Limit
        label="Calls per hour"
        value={policy.max_actions_per_hour ?? null}
        onChange={(max_actions_per_hour) => set({ max_actions_per_hour })}
      />
      <Limit
        label={`US dollars per day (${moneyWords(policy.max_spend_microusd_per_day)})`}
        unit={MICRO}
        value={policy.max_spend_microusd_per_day ?? null}
        onChange={(max_spend_microusd_per_day) => set({ max_spend_microusd_per_day })}
      />
      <Limit
        label={`US dollars per run (${moneyWords(policy.max_spend_microusd_per_run)})`}
        unit={MICRO}
        value={policy.max_spend_microusd_per_run ?? null}
        onChange={(max_spend_microusd_per_run) => set({ max_spend_microusd_per_run })}
      />
      <label>
        Over a budget
        <select
          value={policy.over_budget ?? 'block'}
          onChange={({ target }) => set({ over_budget: target.value as NonNullable<Policy['over_budget']> })}
        >
          <option value="block">block the next call</option>
          <option value="pause">block, and pause the run</option>
          <option value="cancel">block, and cancel the run</option>
        </select>
      </label>
    </div>
  )
}

type ToolsProps = { label: string; tools: readonly string[]; onChange: (tools: string[]) => void }

function Tools({ label, tools, onChange }: ToolsProps) {
  return (
    <LinesField
      label={`${label}, one on each line; * at the end stands for all that begin so`}
      lines={tools}
      onChange={onChange}
    />
  )
}

type LimitProps = { label: string; value: number | null; unit?: number; onChange: (value: number | null) => void }

function Limit({ label, value, unit = 1, onChange }: LimitProps) {
  const id = useId()
  return (
    <label htmlFor={id}>
      {label}
      <input
        id={id}
        type="number"
        min={0}
        step={unit === 1 ? 1 : 'any'}
        placeholder="no limit"
        value={value === null ? '' : value / unit}
        onChange={({ target }) => onChange(target.value === '' ? null : Math.round(Number(target.value) * unit))}
      />
    </label>
  )
}
