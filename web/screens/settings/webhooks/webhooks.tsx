// Webhooks of the project: the list, or the one that the address names.
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { useMay } from '../../../api/session.ts'
import { createWebhook, listWebhooks } from '../../../api/webhooks.ts'
import { useAct } from '../../../parts/act.ts'
import { Answered } from '../../../parts/answered.tsx'
import { Button } from '../../../parts/button.tsx'
import { Dialog } from '../../../parts/dialog.tsx'
import { Empty } from '../../../parts/notes.tsx'
import { Panel } from '../../../parts/panel.tsx'
import { ShownOnce } from '../../../parts/shown-once.tsx'
import { Table } from '../../../parts/table.tsx'
import { Time } from '../../../parts/time.tsx'
import { one } from '../../../routing/search.ts'
import { filterWords } from './filter-words.ts'
import { OneWebhook } from './one-webhook.tsx'
import { WebhookForm } from './webhook-form.tsx'
import { nameOf, WebhookStatus } from './webhook-status.tsx'

/** As many as a project may have. */
const WEBHOOKS_MAX = 50

export function Webhooks() {
  const { webhook_id } = useSearch({ from: '/signed-in/settings' })
  const id = one(webhook_id)
  return id === undefined ? <WebhookList /> : <OneWebhook key={id} id={id} />
}

function WebhookList() {
  const may = useMay()
  const [isMaking, setMaking] = useState(false)
  const query = useQuery({
    queryKey: ['webhooks'],
    queryFn: ({ signal }) => listWebhooks({ limit: WEBHOOKS_MAX }, { signal }),
  })
  const tools = may('webhooks:write') && <Button onClick={() => setMaking(true)}>Create a webhook …</Button>
  return (
    <Panel title="Webhooks" tools={tools}>
      <Answered query={query} what="The list of webhooks">
        {({ data }) =>
          data.length === 0 ? (
            <Empty title="No webhooks yet">
              <p>
                A webhook sends events of this project to a URL of yours as they happen: signed, in order, and at least
                once.
              </p>
              {!may('webhooks:write') && (
                <p>
                  Creating one needs the scope <code>webhooks:write</code>.
                </p>
              )}
            </Empty>
          ) : (
            <Table
              label="Webhooks"
              rows={data}
              keyOf={({ id }) => id}
              columns={[
                {
                  name: 'Name',
                  cell: (webhook) => (
                    <Link to="/settings" search={{ tab: 'webhooks', webhook_id: webhook.id }}>
                      {nameOf(webhook)}
                    </Link>
                  ),
                },
                { name: 'Status', cell: (webhook) => <WebhookStatus webhook={webhook} /> },
                { name: 'Receives', cell: filterWords, wide: true },
                { name: 'Last delivered', cell: ({ delivered_at }) => <Time at={delivered_at} none="never" /> },
                { name: 'Latest error', cell: ({ last_error }) => last_error ?? '', wide: true },
              ]}
            />
          )
        }
      </Answered>
      <Dialog open={isMaking} onClose={() => setMaking(false)} title="Create a webhook" wide>
        <NewWebhook onClose={() => setMaking(false)} />
      </Dialog>
    </Panel>
  )
}

function NewWebhook({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate()
  const make = useAct(createWebhook, ['webhooks'])
  if (!make.data)
    return <WebhookForm verb="Create" onSubmit={(draft) => make.mutateAsync({ ...draft })} onClose={onClose} />
  const { id, signing_secret } = make.data
  const close = () => {
    onClose()
    void navigate({ to: '/settings', search: { tab: 'webhooks', webhook_id: id } })
  }
  return (
    <ShownOnce
      what="signing secret"
      text={signing_secret}
      note="Receivers verify the signatures of requests with it."
      onClose={close}
    />
  )
}
