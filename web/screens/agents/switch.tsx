// The switch of an agent: whether it is on, and the question before it is thrown.
import { useQuery } from '@tanstack/react-query'
import { Power, PowerOff } from 'lucide-react'
import { useState } from 'react'
import type { getAgent } from '../../api/calls.ts'
import { disableAgent, enableAgent, listRuns } from '../../api/calls.ts'
import { useMay } from '../../api/session.ts'
import { counted } from '../../look/words.ts'
import { useAct } from '../../parts/act.ts'
import { Button } from '../../parts/button.tsx'
import { Confirm } from '../../parts/confirm.tsx'
import { Chip } from '../../parts/state-chip.tsx'

export type Agent = Awaited<ReturnType<typeof getAgent>>

export function SwitchChip({ agent: { enabled } }: { agent: Agent }) {
  return enabled ? (
    <Chip tone="ok">
      <Power size={12} aria-hidden="true" /> On
    </Chip>
  ) : (
    <Chip tone="bad">
      <PowerOff size={12} aria-hidden="true" /> Off
    </Chip>
  )
}

export function SwitchButton({ agent }: { agent: Agent }) {
  const may = useMay()
  const [isAsked, setAsked] = useState(false)
  const flip = useAct(
    (reason: string | undefined) => {
      const input = { agent_id: agent.id, ...(reason && { reason }) }
      return agent.enabled ? disableAgent(input) : enableAgent(input)
    },
    ['agent', 'agents', 'runs', 'run', 'stats'],
  )
  if (!may('agents:write')) return null
  return (
    <>
      <Button look={agent.enabled ? 'danger' : 'main'} onClick={() => setAsked(true)}>
        {agent.enabled ? 'Switch off …' : 'Switch on …'}
      </Button>
      <Confirm
        open={isAsked}
        onClose={() => setAsked(false)}
        title={agent.enabled ? `Switch ${agent.id} off` : `Switch ${agent.id} on`}
        verb={agent.enabled ? 'Switch off' : 'Switch on'}
        isDanger={agent.enabled}
        asksReason
        act={flip.mutateAsync}
      >
        {agent.enabled ? (
          <Consequence agentId={agent.id} />
        ) : (
          'Its held runs continue. Runs that were paused have to be resumed: the list of runs finds them by agent and state.'
        )}
      </Confirm>
    </>
  )
}

const COUNTED_MAX = 500

/** What the kill switch would reach now. */
function Consequence({ agentId }: { agentId: string }) {
  const query = useQuery({
    queryKey: ['runs', 'switch', agentId],
    queryFn: ({ signal }) =>
      listRuns(
        { agent_id: agentId, status: ['executing', 'queued', 'delayed', 'dequeued'], limit: COUNTED_MAX },
        { signal },
      ),
    staleTime: 0,
  })
  const runs = query.data?.data ?? []
  const executing = runs.filter(({ status }) => status === 'executing' || status === 'dequeued').length
  const more = query.data?.has_more ? ' or more' : ''
  return (
    <p>
      Its next call is blocked, on every node.{' '}
      {query.data &&
        `${counted(executing, 'executing run')}${more} will be paused, ${counted(runs.length - executing, 'queued run')}${more} held.`}
    </p>
  )
}
