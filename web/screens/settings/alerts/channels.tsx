import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type Channel, deleteChannel, listChannels } from '../../../api/alerts.ts'
import { useMay } from '../../../api/session.ts'
import { useAct } from '../../../parts/act.ts'
import { Answered } from '../../../parts/answered.tsx'
import { Button } from '../../../parts/button.tsx'
import { Confirm } from '../../../parts/confirm.tsx'
import { Dialog } from '../../../parts/dialog.tsx'
import { Empty } from '../../../parts/notes.tsx'
import { Panel } from '../../../parts/panel.tsx'
import { type Column, Table } from '../../../parts/table.tsx'
import styles from '../settings.module.css'
import { ChannelMessages } from './channel-messages.tsx'
import { NewChannel } from './new-channel.tsx'
import { TestChannel } from './test-channel.tsx'

/** As many as a project may have. */
const CHANNELS_MAX = 50

type Asked = { what: 'messages' | 'test' | 'delete'; channel: Channel }

export function Channels() {
  const may = useMay()
  const [isMaking, setMaking] = useState(false)
  const [asked, setAsked] = useState<Asked | undefined>()
  const query = useQuery({
    queryKey: ['alert channels'],
    queryFn: ({ signal }) => listChannels({ limit: CHANNELS_MAX }, { signal }),
  })
  const channel = asked?.channel
  const remove = useAct(() => deleteChannel({ channel_id: channel?.id ?? '' }), ['alert channels', 'alert rules'])
  const mayWrite = may('alerts:write')
  const close = () => setAsked(undefined)
  return (
    <Panel title="Channels" tools={mayWrite && <Button onClick={() => setMaking(true)}>Create a channel …</Button>}>
      <Answered query={query} what="The list of channels">
        {({ data }) =>
          data.length === 0 ? (
            <Empty title="No channels yet">
              <p>A channel is where messages of alerts go: a webhook, a chat such as Slack, or mail.</p>
            </Empty>
          ) : (
            <Table
              label="Channels"
              rows={data}
              keyOf={({ id }) => id}
              columns={[...COLUMNS, actionsColumn(setAsked, mayWrite)]}
            />
          )
        }
      </Answered>
      <Dialog open={isMaking} onClose={() => setMaking(false)} title="Create a channel">
        <NewChannel onClose={() => setMaking(false)} />
      </Dialog>
      <Dialog open={asked?.what === 'messages'} onClose={close} title={`Messages to ${channel?.name ?? ''}`} wide>
        {channel && <ChannelMessages channelId={channel.id} />}
      </Dialog>
      <Dialog open={asked?.what === 'test'} onClose={close} title={`Test ${channel?.name ?? ''}`}>
        {channel && <TestChannel channel={channel} onClose={close} />}
      </Dialog>
      <Confirm
        open={asked?.what === 'delete'}
        onClose={close}
        title={`Delete the channel ${channel?.name ?? ''}`}
        verb="Delete"
        isDanger
        act={() => remove.mutateAsync()}
      >
        Rules no longer send to it.
      </Confirm>
    </Panel>
  )
}

const COLUMNS: readonly Column<Channel>[] = [
  { name: 'Name', cell: ({ name }) => name },
  { name: 'Kind', cell: ({ kind }) => kind },
  { name: 'Sends to', cell: ({ url, recipients }) => url ?? recipients.join(', '), wide: true },
  { name: 'Questions', cell: ({ questions }) => (questions ? 'sent too' : 'no'), wide: true },
]

function actionsColumn(ask: (asked: Asked) => void, mayWrite: boolean): Column<Channel> {
  return {
    name: 'Actions',
    right: true,
    cell: (channel) => (
      <span className={styles.actions}>
        <Button onClick={() => ask({ what: 'messages', channel })}>Messages</Button>
        {mayWrite && (
          <>
            <Button onClick={() => ask({ what: 'test', channel })}>Test …</Button>
            <Button look="danger" onClick={() => ask({ what: 'delete', channel })}>
              Delete …
            </Button>
          </>
        )}
      </span>
    ),
  }
}
