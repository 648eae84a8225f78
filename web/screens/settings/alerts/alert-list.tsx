import { useInfiniteQuery } from '@tanstack/react-query'
import { listAlerts } from '../../../api/alerts.ts'
import { Answered } from '../../../parts/answered.tsx'
import { Button } from '../../../parts/button.tsx'
import { Empty } from '../../../parts/notes.tsx'
import { Panel } from '../../../parts/panel.tsx'
import { Chip } from '../../../parts/state-chip.tsx'
import { Table } from '../../../parts/table.tsx'
import { Time } from '../../../parts/time.tsx'

const PAGE = 20

export function AlertList() {
  const query = useInfiniteQuery({
    queryKey: ['alerts'],
    queryFn: ({ pageParam, signal }) =>
      listAlerts({ limit: PAGE, ...(pageParam !== '' && { cursor: pageParam }) }, { signal }),
    initialPageParam: '',
    getNextPageParam: ({ next_cursor }) => next_cursor ?? undefined,
  })
  return (
    <Panel title="Alerts">
      <Answered query={query} what="The list of alerts">
        {({ pages }) => {
          const rows = pages.flatMap(({ data }) => data)
          if (rows.length === 0)
            return (
              <Empty title="No alerts">
                <p>An alert begins when a rule counts too much, and ends by itself. It is kept for 90 days.</p>
              </Empty>
            )
          return (
            <>
              <Table
                label="Alerts"
                rows={rows}
                keyOf={({ id }) => id}
                columns={[
                  { name: 'Rule', cell: ({ rule_name }) => rule_name },
                  {
                    name: 'Status',
                    cell: ({ resolved_at }) =>
                      resolved_at === null ? <Chip tone="bad">Firing</Chip> : <Chip tone="rest">Resolved</Chip>,
                  },
                  { name: 'What', cell: ({ summary }) => summary },
                  { name: 'Began', cell: ({ started_at }) => <Time at={started_at} /> },
                  { name: 'Ended', cell: ({ resolved_at }) => <Time at={resolved_at} />, wide: true },
                  { name: 'Told', cell: ({ told_at }) => <Time at={told_at} none="nobody" />, wide: true },
                ]}
              />
              {query.hasNextPage && (
                <Button look="quiet" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                  Older
                </Button>
              )}
            </>
          )
        }}
      </Answered>
    </Panel>
  )
}
