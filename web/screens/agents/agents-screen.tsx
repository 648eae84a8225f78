import { useQuery } from '@tanstack/react-query'
import { Link, useSearch } from '@tanstack/react-router'
import { BASE } from '../../api/call.ts'
import { listAgents } from '../../api/calls.ts'
import { Answered } from '../../parts/answered.tsx'
import { Snippet } from '../../parts/copy.tsx'
import { Empty } from '../../parts/notes.tsx'
import { Panel } from '../../parts/panel.tsx'
import { Table } from '../../parts/table.tsx'
import { Tabs } from '../../parts/tabs.tsx'
import { Time } from '../../parts/time.tsx'
import { useTitle } from '../../parts/title.ts'
import { one } from '../../routing/search.ts'
import { SwitchChip } from './switch.tsx'
import { Tools } from './tools.tsx'

const SHOWN_MAX = 500

export function AgentsScreen() {
  useTitle('Agents')
  const { tab } = useSearch({ from: '/signed-in/agents' })
  const current = one(tab) === 'tools' ? 'tools' : 'agents'
  return (
    <>
      <h1>Agents</h1>
      <Tabs
        label="Agents and tools"
        current={current}
        tabs={[
          { id: 'agents', name: 'Agents' },
          { id: 'tools', name: 'Tools' },
        ]}
      />
      {current === 'tools' ? <Tools /> : <AgentList />}
    </>
  )
}

function AgentList() {
  const query = useQuery({
    queryKey: ['agents', 'list'],
    queryFn: ({ signal }) => listAgents({ limit: SHOWN_MAX }, { signal }),
  })
  return (
    <Panel label="Agents">
      <Answered query={query} what="The agents">
        {({ data, has_more }) =>
          data.length === 0 ? (
            <Empty title="No agents yet">
              <p>An agent appears when it is first heard of: by a run that acts for it, a call, or its policy.</p>
              <Snippet label="Copy the command" text={firstAgent(BASE)} />
            </Empty>
          ) : (
            <>
              <Table
                label="Agents"
                rows={data}
                keyOf={({ id }) => id}
                columns={[
                  {
                    name: 'Agent',
                    cell: ({ id }) => (
                      <Link to="/agents/$agent_id" params={{ agent_id: id }}>
                        {id}
                      </Link>
                    ),
                  },
                  { name: 'Switch', cell: (agent) => <SwitchChip agent={agent} /> },
                  {
                    name: 'Policy',
                    cell: ({ policy_version, policy_mode }) =>
                      policy_version === 0 ? 'none' : `version ${policy_version}, ${policy_mode}`,
                  },
                  { name: 'Why it is off', cell: ({ disabled_reason }) => disabled_reason ?? '', wide: true },
                  { name: 'Changed', cell: ({ updated_at }) => <Time at={updated_at} />, wide: true },
                  {
                    name: 'Runs',
                    wide: true,
                    cell: ({ id }) => (
                      <Link to="/runs" search={{ agent_id: id }}>
                        its runs
                      </Link>
                    ),
                  },
                ]}
              />
              {has_more && <p>The first {SHOWN_MAX} are shown; the palette finds the others by name.</p>}
            </>
          )
        }
      </Answered>
    </Panel>
  )
}

const firstAgent = (url: string): string =>
  `curl -X PUT -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\
  ${url}/v1/agents/support-bot/policy -d '{"mode": "observe", "policy": {"approval_tools": ["refund"]}}'`
