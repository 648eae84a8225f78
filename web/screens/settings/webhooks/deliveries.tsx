import { useInfiniteQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { unlessPaused } from '../../../api/query-client.ts'
import { useMay } from '../../../api/session.ts'
import { listDeliveries } from '../../../api/webhooks.ts'
import { duration } from '../../../look/words.ts'
import { Answered } from '../../../parts/answered.tsx'
import { Button } from '../../../parts/button.tsx'
import { Dialog, DialogActions } from '../../../parts/dialog.tsx'
import { Empty } from '../../../parts/notes.tsx'
import { Panel } from '../../../parts/panel.tsx'
import { Table } from '../../../parts/table.tsx'
import { Time } from '../../../parts/time.tsx'
import { one } from '../../../routing/search.ts'
import { Delivery, Outcome } from './delivery.tsx'
import { ReplayWebhook } from './replay-webhook.tsx'

const PAGE = 50
const EVERY_MS = 5_000
const OUTCOMES = [
  ['', 'all'],
  ['delivered', 'delivered'],
  ['failed', 'failed'],
  ['given_up', 'given up'],
] as const

type Shown = Awaited<ReturnType<typeof listDeliveries>>['data'][number]

export function Deliveries({ webhookId }: { webhookId: string }) {
  const navigate = useNavigate()
  const { outcome } = useSearch({ from: '/signed-in/settings' })
  const wanted = OUTCOMES.find(([name]) => name === one(outcome))?.[0] ?? ''
  const [opened, setOpened] = useState<Shown | undefined>()
  const query = useInfiniteQuery({
    queryKey: ['deliveries', webhookId, wanted],
    queryFn: ({ pageParam, signal }) =>
      listDeliveries(
        {
          webhook_id: webhookId,
          limit: PAGE,
          ...(wanted !== '' && { outcome: wanted }),
          ...(pageParam !== '' && { cursor: pageParam }),
        },
        { signal },
      ),
    initialPageParam: '',
    getNextPageParam: ({ next_cursor }) => next_cursor ?? undefined,
    refetchInterval: unlessPaused(EVERY_MS),
  })
  const choose = (value: string) =>
    void navigate({
      to: '/settings',
      search: { tab: 'webhooks', webhook_id: webhookId, ...(value !== '' && { outcome: value }) },
      replace: true,
      resetScroll: false,
    })
  const tools = (
    <label>
      Outcome{' '}
      <select value={wanted} onChange={({ target }) => choose(target.value)}>
        {OUTCOMES.map(([name, word]) => (
          <option key={name} value={name}>
            {word}
          </option>
        ))}
      </select>
    </label>
  )
  return (
    <Panel title="Deliveries: the latest 1,000 of 7 days" tools={tools}>
      <Answered query={query} what="The deliveries">
        {({ pages }) => {
          const rows = pages.flatMap(({ data }) => data)
          if (rows.length === 0)
            return (
              <Empty title={wanted === '' ? 'Nothing was sent yet' : 'No delivery with this outcome'}>
                {wanted === '' && <p>Send a test, or wait for an event that matches.</p>}
              </Empty>
            )
          return (
            <>
              <Table
                label="Deliveries"
                rows={rows}
                keyOf={({ id }) => id}
                columns={[
                  {
                    name: 'Event',
                    cell: (delivery) => (
                      <Button look="quiet" onClick={() => setOpened(delivery)}>
                        {delivery.event_type}
                      </Button>
                    ),
                  },
                  { name: 'Outcome', cell: ({ outcome: its }) => <Outcome outcome={its} /> },
                  { name: 'Status', cell: ({ status }) => status ?? '–', right: true },
                  { name: 'Attempt', cell: ({ attempt }) => attempt, right: true, wide: true },
                  { name: 'Took', cell: ({ duration_ms }) => duration(duration_ms), right: true, wide: true },
                  { name: 'Sent', cell: ({ sent_at }) => <Time at={sent_at} /> },
                  { name: 'Error', cell: ({ error }) => error ?? '', wide: true },
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
      <OpenedDelivery webhookId={webhookId} delivery={opened} onClose={() => setOpened(undefined)} />
    </Panel>
  )
}

type OpenedProps = { webhookId: string; delivery: Shown | undefined; onClose: () => void }

function OpenedDelivery({ webhookId, delivery, onClose }: OpenedProps) {
  const may = useMay()
  const [isReplaying, setReplaying] = useState(false)
  const close = () => {
    setReplaying(false)
    onClose()
  }
  const eventId = delivery?.event_id ?? null
  return (
    <Dialog open={delivery !== undefined} onClose={close} title={isReplaying ? 'Send events again' : 'Delivery'} wide>
      {delivery && eventId !== null && isReplaying && (
        <ReplayWebhook webhookId={webhookId} fromEventId={eventId} onClose={close} />
      )}
      {delivery && !isReplaying && (
        <>
          <Delivery webhookId={webhookId} deliveryId={delivery.id} />
          {eventId !== null && may('webhooks:write') && (
            <DialogActions>
              <Button onClick={() => setReplaying(true)}>Replay from this event …</Button>
            </DialogActions>
          )}
        </>
      )}
    </Dialog>
  )
}
