import { useQuery } from '@tanstack/react-query'
import { Link, useParams, useSearch } from '@tanstack/react-router'
import { agentMetrics, getAgent, listAgentLog, listPolicyVersions } from '../../api/calls.ts'
import { count, money, shortId } from '../../look/words.ts'
import { Answered } from '../../parts/answered.tsx'
import { RunLink } from '../../parts/id.tsx'
import { JsonTree } from '../../parts/json-tree.tsx'
import { Empty } from '../../parts/notes.tsx'
import { Facts, Panel } from '../../parts/panel.tsx'
import { Table } from '../../parts/table.tsx'
import { Tabs } from '../../parts/tabs.tsx'
import { Time } from '../../parts/time.tsx'
import { useTitle } from '../../parts/title.ts'
import { one } from '../../routing/search.ts'
import styles from './agents.module.css'
import { PolicyEditor } from './policy-editor.tsx'
import { type Agent, SwitchButton, SwitchChip } from './switch.tsx'

const TABS = [
  { id: 'decisions', name: 'Decisions' },
  { id: 'policy', name: 'Policy' },
  { id: 'versions', name: 'Versions' },
]

export function AgentScreen() {
  const { agent_id } = useParams({ from: '/signed-in/agents/$agent_id' })
  const { tab } = useSearch({ from: '/signed-in/agents/$agent_id' })
  useTitle(agent_id)
  const query = useQuery({
    queryKey: ['agent', agent_id, 'head'],
    queryFn: ({ signal }) => getAgent({ agent_id }, { signal }),
  })
  const current = TABS.find(({ id }) => id === one(tab))?.id ?? 'decisions'
  return (
    <Answered query={query} what={`Agent ${agent_id}`}>
      {(agent) => (
        <>
          <div className={styles.head}>
            <SwitchChip agent={agent} />
            <h1>{agent.id}</h1>
            <Link to="/runs" search={{ agent_id }}>
              Runs
            </Link>
            <span className={styles.space} />
            <SwitchButton agent={agent} />
          </div>
          {!agent.enabled && (
            <p className={styles.muted}>
              Off since <Time at={agent.disabled_at} />
              {agent.disabled_reason !== null && `: ${agent.disabled_reason}`}
            </p>
          )}
          <Spend agent={agent} />
          <Tabs label="Parts of the agent" current={current} tabs={TABS} />
          {current === 'decisions' && <Decisions agentId={agent_id} />}
          {current === 'policy' && <PolicyEditor key={agent.policy_version} agent={agent} />}
          {current === 'versions' && <Versions agentId={agent_id} />}
        </>
      )}
    </Answered>
  )
}

function Spend({ agent: { id, policy } }: { agent: Agent }) {
  const day = useQuery({
    queryKey: ['agent', id, 'metrics', 'day'],
    queryFn: ({ signal }) => agentMetrics({ agent_id: id, period: 'day' }, { signal }),
  })
  const limit = policy?.max_spend_microusd_per_day
  return (
    <Panel title="Today (UTC)" pad>
      <Answered query={day} what="What it did today">
        {({ allowed, blocked, cost_microusd, models_microusd, tools_microusd, tools }) => (
          <div className={styles.spend}>
            <Facts
              items={[
                ['Calls', `${count(allowed)} allowed, ${count(blocked)} blocked`],
                [
                  'Spend',
                  `${money(cost_microusd)}${typeof limit === 'number' ? ` of ${money(limit)}` : ''} (models ${money(models_microusd)}, tools ${money(tools_microusd)})`,
                ],
              ]}
            />
            {typeof limit === 'number' && (
              <meter
                min={0}
                max={limit}
                high={limit * 0.8}
                value={cost_microusd}
                aria-label="Spend of the limit of the day"
              />
            )}
            {tools.length > 0 && (
              <Table
                label="Tools today"
                rows={tools}
                keyOf={({ tool }) => tool}
                columns={[
                  { name: 'Tool', cell: ({ tool }) => tool },
                  { name: 'Allowed', right: true, cell: (it) => count(it.allowed) },
                  { name: 'Blocked', right: true, cell: (it) => count(it.blocked) },
                  { name: 'Cost', right: true, cell: (it) => money(it.cost_microusd) },
                ]}
              />
            )}
          </div>
        )}
      </Answered>
    </Panel>
  )
}

function Decisions({ agentId }: { agentId: string }) {
  const query = useQuery({
    queryKey: ['agent', agentId, 'log'],
    queryFn: ({ signal }) => listAgentLog({ agent_id: agentId, limit: 100 }, { signal }),
  })
  return (
    <Panel label="Decisions">
      <Answered query={query} what="The decisions">
        {({ data }) =>
          data.length === 0 ? (
            <Empty title="No calls yet">
              Each call that the agent asks leave for is listed here with its decision.
            </Empty>
          ) : (
            <Table
              label="Decisions"
              rows={data}
              keyOf={({ id }) => id}
              columns={[
                { name: 'When', cell: ({ created_at }) => <Time at={created_at} /> },
                { name: 'Tool', cell: ({ tool }) => tool },
                { name: 'State', cell: ({ state }) => state },
                { name: 'Reason', cell: ({ reason, observed }) => observed ?? reason },
                { name: 'Risk', cell: ({ risk_level }) => risk_level, wide: true },
                { name: 'Policy', cell: ({ policy_version }) => `v${policy_version}`, right: true, wide: true },
                { name: 'Cost', cell: ({ cost_microusd }) => money(cost_microusd), right: true },
                { name: 'Run', cell: ({ run_id }) => run_id !== null && <RunLink id={run_id} />, wide: true },
                {
                  name: 'Args hash',
                  wide: true,
                  cell: ({ args_hash }) => args_hash !== null && <code title={args_hash}>{shortId(args_hash)}</code>,
                },
              ]}
            />
          )
        }
      </Answered>
    </Panel>
  )
}

function Versions({ agentId }: { agentId: string }) {
  const query = useQuery({
    queryKey: ['agent', agentId, 'versions'],
    queryFn: ({ signal }) => listPolicyVersions({ agent_id: agentId }, { signal }),
  })
  return (
    <Answered query={query} what="The versions">
      {({ data }) =>
        data.length === 0 ? (
          <Empty title="No policy was set yet" />
        ) : (
          data.map((it) => (
            <Panel key={it.version} title={`Version ${it.version}, ${it.mode}`} tools={<Time at={it.created_at} />} pad>
              <JsonTree value={it.policy} label={`Policy, version ${it.version}`} />
            </Panel>
          ))
        )
      }
    </Answered>
  )
}
