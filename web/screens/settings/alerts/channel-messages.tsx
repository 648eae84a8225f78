import { useQuery } from '@tanstack/react-query'
import { listMessages } from '../../../api/alerts.ts'
import { Answered } from '../../../parts/answered.tsx'
import { Empty } from '../../../parts/notes.tsx'
import { Table } from '../../../parts/table.tsx'
import { Time } from '../../../parts/time.tsx'

export function ChannelMessages({ channelId }: { channelId: string }) {
  const query = useQuery({
    queryKey: ['alert channels', channelId, 'messages'],
    queryFn: ({ signal }) => listMessages({ channel_id: channelId }, { signal }),
  })
  return (
    <Answered query={query} what="The messages">
      {({ data }) =>
        data.length === 0 ? (
          <Empty title="Nothing was sent in the last 7 days" />
        ) : (
          <Table
            label="Messages"
            rows={data}
            keyOf={({ id }) => id}
            columns={[
              { name: 'Message', cell: ({ title }) => title },
              { name: 'Written', cell: ({ created_at }) => <Time at={created_at} />, wide: true },
              {
                name: 'Sent',
                cell: ({ sent_at, given_up_at }) =>
                  given_up_at === null ? (
                    <Time at={sent_at} none="not yet" />
                  ) : (
                    <>
                      given up <Time at={given_up_at} />
                    </>
                  ),
              },
              { name: 'Attempts', cell: ({ attempts }) => attempts, right: true, wide: true },
              { name: 'Error', cell: ({ error }) => error ?? '' },
            ]}
          />
        )
      }
    </Answered>
  )
}
