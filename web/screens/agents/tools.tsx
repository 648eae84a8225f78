// The tools that agents called in the last 30 days, by whom, how often, and what it cost.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { listTools } from '../../api/calls.ts'
import { count, counted, money } from '../../look/words.ts'
import { Answered } from '../../parts/answered.tsx'
import { Empty } from '../../parts/notes.tsx'
import { Panel } from '../../parts/panel.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { Time } from '../../parts/time.tsx'

type Tool = Awaited<ReturnType<typeof listTools>>['data'][number]

const AGENTS_SHOWN = 3

export function Tools() {
  const query = useQuery({ queryKey: ['agents', 'tools'], queryFn: ({ signal }) => listTools({}, { signal }) })
  return (
    <Panel title="Tools that agents called in the last 30 days">
      <Answered query={query} what="The tools">
        {({ data, has_more }) =>
          data.length === 0 ? (
            <Empty title="No agent has called a tool yet">
              <p>
                A tool appears when an agent asks whether it may call it, by{' '}
                <code>POST /v1/agents/:agent_id/authorize</code> or with the token of its run.
              </p>
            </Empty>
          ) : (
            <>
              <Table label="Tools" rows={data} keyOf={({ tool }) => tool} columns={COLUMNS} />
              {has_more && <p>The busiest 1,000 are shown.</p>}
            </>
          )
        }
      </Answered>
    </Panel>
  )
}

const COLUMNS: readonly Column<Tool>[] = [
  {
    name: 'Tool',
    cell: ({ tool }) => (
      <Link to="/events" search={{ tool }}>
        {tool}
      </Link>
    ),
  },
  { name: 'Calls', right: true, cell: ({ allowed }) => count(allowed) },
  { name: 'Blocked', right: true, cell: ({ blocked }) => count(blocked) },
  { name: 'Cost', right: true, cell: ({ cost_microusd }) => money(cost_microusd) },
  { name: 'Agents', cell: (tool) => <Agents tool={tool} />, wide: true },
  { name: 'Last called', cell: ({ last_called_at }) => <Time at={last_called_at} none="never" />, wide: true },
  { name: 'Registered', cell: ({ registered }) => (registered ? 'yes' : 'no'), wide: true },
]

function Agents({ tool: { agents, agent_count } }: { tool: Tool }) {
  const shown = agents.slice(0, AGENTS_SHOWN)
  return (
    <>
      {shown.map(({ agent_id, allowed, blocked }, at) => (
        <span key={agent_id} title={`${counted(allowed, 'call')}, ${blocked} blocked`}>
          {at > 0 && ', '}
          <Link to="/agents/$agent_id" params={{ agent_id }}>
            {agent_id}
          </Link>
        </span>
      ))}
      {agent_count > shown.length && ` and ${agent_count - shown.length} more`}
    </>
  )
}
