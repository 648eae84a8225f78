// Where somebody is signed in: their open sessions, each of which they may end.
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { endSession, endSessions, listSessions } from '../../api/people.ts'
import { forgetSession, signOut } from '../../api/session.ts'
import { useAct } from '../../parts/act.ts'
import { Answered } from '../../parts/answered.tsx'
import { Button } from '../../parts/button.tsx'
import { Confirm } from '../../parts/confirm.tsx'
import { Panel } from '../../parts/panel.tsx'
import { Chip } from '../../parts/state-chip.tsx'
import { Table } from '../../parts/table.tsx'
import { Time } from '../../parts/time.tsx'
import { browserWords } from './browser-words.ts'

type OpenSession = Awaited<ReturnType<typeof listSessions>>['data'][number]

export function Sessions() {
  const navigate = useNavigate()
  const [asked, setAsked] = useState<OpenSession | 'all' | undefined>()
  const query = useQuery({ queryKey: ['sessions'], queryFn: ({ signal }) => listSessions({}, { signal }) })
  const end = useAct((session: OpenSession) => endSession({ session_id: session.id }), ['sessions'])
  const leave = () => void navigate({ to: '/sign-in' })
  const go = async () => {
    if (asked === 'all') await endSessions({}).then(forgetSession).then(leave)
    else if (asked?.current) await signOut().then(leave)
    else if (asked) await end.mutateAsync(asked)
  }
  return (
    <Panel
      title="Your sessions"
      tools={
        <Button look="danger" onClick={() => setAsked('all')}>
          Sign out everywhere …
        </Button>
      }
    >
      <Answered query={query} what="Your sessions">
        {({ data }) => (
          <Table
            label="Your sessions"
            rows={data}
            keyOf={({ id }) => id}
            columns={[
              { name: 'Browser', cell: (session) => <Browser session={session} /> },
              { name: 'Address', cell: ({ address }) => <code>{address}</code>, wide: true },
              { name: 'Opened', cell: ({ created_at }) => <Time at={created_at} />, wide: true },
              { name: 'Last used', cell: ({ seen_at }) => <Time at={seen_at} /> },
              { name: 'Ends', cell: ({ expires_at }) => <Time at={expires_at} />, wide: true },
              {
                name: '',
                right: true,
                cell: (session) => (
                  <Button look="danger" onClick={() => setAsked(session)}>
                    {session.current ? 'Sign out …' : 'End …'}
                  </Button>
                ),
              },
            ]}
          />
        )}
      </Answered>
      <Confirm
        open={asked !== undefined}
        onClose={() => setAsked(undefined)}
        title={asked === 'all' ? 'Sign out everywhere' : asked?.current ? 'Sign out here' : 'End this session'}
        verb={asked === 'all' || asked?.current ? 'Sign out' : 'End it'}
        isDanger
        act={go}
      >
        {asked === 'all'
          ? 'All of your sessions end at once, this one included.'
          : asked && `${browserWords(asked.user_agent)}, opened from ${asked.address}. It ends at once.`}
      </Confirm>
    </Panel>
  )
}

const Browser = ({ session: { user_agent, current } }: { session: OpenSession }) => (
  <span title={user_agent ?? undefined}>
    {browserWords(user_agent)} {current && <Chip tone="ok">this one</Chip>}
  </span>
)
