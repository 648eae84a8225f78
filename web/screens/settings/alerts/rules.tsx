import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { createRule, deleteRule, listChannels, listRules, type Rule, updateRule } from '../../../api/alerts.ts'
import { useMay } from '../../../api/session.ts'
import { useAct } from '../../../parts/act.ts'
import { Answered } from '../../../parts/answered.tsx'
import { Button } from '../../../parts/button.tsx'
import { Confirm } from '../../../parts/confirm.tsx'
import { Dialog } from '../../../parts/dialog.tsx'
import { Empty } from '../../../parts/notes.tsx'
import { Panel } from '../../../parts/panel.tsx'
import { Chip } from '../../../parts/state-chip.tsx'
import { type Column, Table } from '../../../parts/table.tsx'
import { Time } from '../../../parts/time.tsx'
import styles from '../settings.module.css'
import { amount, conditionOf } from './kinds.ts'
import { changeOf, draftOf, newRuleOf, RuleForm } from './rule-form.tsx'
import { Silence } from './silence.tsx'

/** As many as a project may have. */
const RULES_MAX = 100
const CHANNELS_MAX = 50

type Asked = { what: 'edit' | 'silence' | 'delete'; rule: Rule }

export function Rules() {
  const may = useMay()
  const [isMaking, setMaking] = useState(false)
  const [asked, setAsked] = useState<Asked | undefined>()
  const query = useQuery({
    queryKey: ['alert rules'],
    queryFn: ({ signal }) => listRules({ limit: RULES_MAX }, { signal }),
  })
  const mayWrite = may('alerts:write')
  const columns = mayWrite ? [...COLUMNS, actionsColumn(setAsked)] : COLUMNS
  return (
    <Panel title="Rules" tools={mayWrite && <Button onClick={() => setMaking(true)}>Create a rule …</Button>}>
      <Answered query={query} what="The list of rules">
        {({ data }) =>
          data.length === 0 ? (
            <Empty title="No rules yet">
              <p>
                A rule counts something every few seconds, such as the dead letters of a job, and tells channels when it
                is too much.
              </p>
              {!mayWrite && (
                <p>
                  Creating one needs the scope <code>alerts:write</code>.
                </p>
              )}
            </Empty>
          ) : (
            <Table label="Rules" rows={data} keyOf={({ id }) => id} columns={columns} />
          )
        }
      </Answered>
      <Dialog open={isMaking} onClose={() => setMaking(false)} title="Create a rule">
        <NewRule onClose={() => setMaking(false)} />
      </Dialog>
      <AskedDialogs asked={asked} onClose={() => setAsked(undefined)} />
    </Panel>
  )
}

const COLUMNS: readonly Column<Rule>[] = [
  { name: 'Name', cell: ({ name }) => name },
  { name: 'Status', cell: (rule) => <RuleStatus rule={rule} /> },
  { name: 'Holds when', cell: conditionOf, wide: true },
  {
    name: 'Last counted',
    cell: ({ kind, value, error }) =>
      error === null ? value === null ? '–' : amount(kind, value) : <span className={styles.error}>{error}</span>,
    wide: true,
  },
  {
    name: 'Tells',
    cell: ({ channel_ids }) => (channel_ids.length === 0 ? 'nobody' : `${channel_ids.length} channels`),
    wide: true,
  },
]

function actionsColumn(ask: (asked: Asked) => void): Column<Rule> {
  return {
    name: 'Actions',
    right: true,
    cell: (rule) => (
      <span className={styles.actions}>
        <Button onClick={() => ask({ what: 'silence', rule })}>Silence …</Button>
        <Button onClick={() => ask({ what: 'edit', rule })}>Edit …</Button>
        <Button look="danger" onClick={() => ask({ what: 'delete', rule })}>
          Delete …
        </Button>
      </span>
    ),
  }
}

function RuleStatus({ rule: { enabled, firing, silenced_until } }: { rule: Rule }) {
  const isSilenced = silenced_until !== null && Date.parse(silenced_until) > Date.now()
  return (
    <>
      {!enabled ? <Chip tone="rest">Off</Chip> : firing ? <Chip tone="bad">Firing</Chip> : <Chip tone="ok">Quiet</Chip>}
      {isSilenced && (
        <>
          {' '}
          silenced until <Time at={silenced_until} />
        </>
      )}
    </>
  )
}

const useChannels = () =>
  useQuery({
    queryKey: ['alert channels'],
    queryFn: ({ signal }) => listChannels({ limit: CHANNELS_MAX }, { signal }),
  })

function NewRule({ onClose }: { onClose: () => void }) {
  const channels = useChannels()
  const make = useAct(createRule, ['alert rules'])
  return (
    <Answered query={channels} what="The list of channels">
      {({ data }) => (
        <RuleForm
          channels={data}
          verb="Create"
          onSubmit={async (draft) => {
            await make.mutateAsync(newRuleOf(draft))
            onClose()
          }}
          onClose={onClose}
        />
      )}
    </Answered>
  )
}

function AskedDialogs({ asked, onClose }: { asked: Asked | undefined; onClose: () => void }) {
  const channels = useChannels()
  const rule = asked?.rule
  const change = useAct(updateRule, ['alert rules', 'alerts'])
  const remove = useAct(() => deleteRule({ rule_id: rule?.id ?? '' }), ['alert rules', 'alerts'])
  return (
    <>
      <Dialog open={asked?.what === 'edit'} onClose={onClose} title="Edit the rule">
        {rule && (
          <Answered query={channels} what="The list of channels">
            {({ data }) => (
              <RuleForm
                channels={data}
                draft={draftOf(rule)}
                isKindFixed
                verb="Save"
                onSubmit={async (draft) => {
                  await change.mutateAsync({ rule_id: rule.id, ...changeOf(draft, draftOf(rule)) })
                  onClose()
                }}
                onClose={onClose}
              />
            )}
          </Answered>
        )}
      </Dialog>
      <Dialog open={asked?.what === 'silence'} onClose={onClose} title={`Silence ${rule?.name ?? ''}`}>
        {rule && <Silence rule={rule} onClose={onClose} />}
      </Dialog>
      <Confirm
        open={asked?.what === 'delete'}
        onClose={onClose}
        title={`Delete the rule ${rule?.name ?? ''}`}
        verb="Delete"
        isDanger
        act={() => remove.mutateAsync()}
      >
        Its alerts are deleted too. To keep them, switch the rule off.
      </Confirm>
    </>
  )
}
