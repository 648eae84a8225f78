// One webhook: how far it is, what is done with it, and what was delivered.
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { unlessPaused } from '../../../api/query-client.ts'
import { useMay } from '../../../api/session.ts'
import { deleteWebhook, getWebhook, pauseWebhook, resumeWebhook, type Webhook } from '../../../api/webhooks.ts'
import { counted } from '../../../look/words.ts'
import { useAct } from '../../../parts/act.ts'
import { Answered } from '../../../parts/answered.tsx'
import { Button } from '../../../parts/button.tsx'
import { Confirm } from '../../../parts/confirm.tsx'
import { Dialog } from '../../../parts/dialog.tsx'
import { sentenceOf } from '../../../parts/notes.tsx'
import { Facts, Panel } from '../../../parts/panel.tsx'
import { Time } from '../../../parts/time.tsx'
import styles from '../settings.module.css'
import { Deliveries } from './deliveries.tsx'
import { EditWebhook } from './edit-webhook.tsx'
import { filterWords } from './filter-words.ts'
import { ReplayWebhook } from './replay-webhook.tsx'
import { RotateSecret } from './rotate-secret.tsx'
import { TestWebhook } from './test-webhook.tsx'
import { nameOf, WebhookStatus } from './webhook-status.tsx'

/** Progress is no event: while it is looked at, it is asked for. */
const EVERY_MS = 5_000

export function OneWebhook({ id }: { id: string }) {
  const query = useQuery({
    queryKey: ['webhooks', id],
    queryFn: ({ signal }) => getWebhook({ webhook_id: id }, { signal }),
    refetchInterval: unlessPaused(EVERY_MS),
  })
  return (
    <>
      <p>
        <Link to="/settings" search={{ tab: 'webhooks' }}>
          All webhooks
        </Link>
      </p>
      <Answered query={query} what="The webhook">
        {(webhook) => <Shown webhook={webhook} />}
      </Answered>
      {query.data && <Deliveries webhookId={id} />}
    </>
  )
}

function Shown({ webhook }: { webhook: Webhook }) {
  const may = useMay()
  return (
    <Panel title={nameOf(webhook)} tools={may('webhooks:write') && <Actions webhook={webhook} />} pad>
      <Facts
        items={[
          ['Status', <Standing key="status" webhook={webhook} />],
          ['URL', webhook.url],
          ['Receives', filterWords(webhook)],
          ['Delivered', <Time key="at" at={webhook.delivered_at} none="nothing yet" />],
          ['Position', `${webhook.position} in the log`],
          webhook.last_error !== null && [
            'Latest error',
            <span key="error" className={styles.error}>
              {webhook.last_error}
            </span>,
          ],
          webhook.failing_since !== null && [
            'Failing since',
            <span key="since">
              <Time at={webhook.failing_since} />, {counted(webhook.attempts, 'attempt')} for the event that is next
            </span>,
          ],
          webhook.next_attempt_at !== null && ['Next attempt', <Time key="next" at={webhook.next_attempt_at} />],
          webhook.old_secret_until !== null && [
            'Old secret',
            <span key="secret">
              also signs until <Time at={webhook.old_secret_until} />
            </span>,
          ],
          ['Changed', <Time key="changed" at={webhook.updated_at} />],
        ]}
      />
    </Panel>
  )
}

function Standing({ webhook }: { webhook: Webhook }) {
  const { disabled_reason, disabled_at, paused_at, disable_after_days } = webhook
  return (
    <>
      <WebhookStatus webhook={webhook} />{' '}
      {disabled_reason !== null && (
        <>
          <Time at={disabled_at} />:{' '}
          {disabled_reason === 'gone'
            ? 'the receiver answered 410 Gone.'
            : `nothing was delivered for ${counted(disable_after_days, 'day')}.`}{' '}
          Resume it to go on where it stood.
        </>
      )}
      {paused_at !== null && (
        <>
          since <Time at={paused_at} />; what happens meanwhile is sent when it is resumed.
        </>
      )}
    </>
  )
}

type Asked = 'edit' | 'rotate' | 'replay' | 'test'
const TITLES: Record<Asked, string> = {
  edit: 'Edit the webhook',
  rotate: 'Rotate the signing secret',
  replay: 'Send events again',
  test: 'Send a test',
}

function Actions({ webhook }: { webhook: Webhook }) {
  const navigate = useNavigate()
  const [asked, setAsked] = useState<Asked | undefined>()
  const [isDeleting, setDeleting] = useState(false)
  const isActive = webhook.status === 'active'
  const toggle = useAct(() => (isActive ? pauseWebhook : resumeWebhook)({ webhook_id: webhook.id }), ['webhooks'])
  const remove = useAct(() => deleteWebhook({ webhook_id: webhook.id }), ['webhooks'])
  const close = () => setAsked(undefined)
  return (
    <>
      {toggle.error && <span role="alert">{sentenceOf(toggle.error)}</span>}
      <Button onClick={() => setAsked('test')}>Test …</Button>
      <Button onClick={() => toggle.mutate()} disabled={toggle.isPending}>
        {isActive ? 'Pause' : 'Resume'}
      </Button>
      <Button onClick={() => setAsked('edit')}>Edit …</Button>
      <Button onClick={() => setAsked('replay')}>Replay …</Button>
      <Button onClick={() => setAsked('rotate')}>Rotate secret …</Button>
      <Button look="danger" onClick={() => setDeleting(true)}>
        Delete …
      </Button>
      <Dialog open={asked !== undefined} onClose={close} title={asked ? TITLES[asked] : ''} wide={asked !== 'rotate'}>
        {asked === 'test' && <TestWebhook webhook={webhook} onClose={close} />}
        {asked === 'edit' && <EditWebhook webhook={webhook} onClose={close} />}
        {asked === 'replay' && <ReplayWebhook webhookId={webhook.id} onClose={close} />}
        {asked === 'rotate' && <RotateSecret webhook={webhook} onClose={close} />}
      </Dialog>
      <Confirm
        open={isDeleting}
        onClose={() => setDeleting(false)}
        title={`Delete ${nameOf(webhook)}`}
        verb="Delete"
        isDanger
        act={async () => {
          await remove.mutateAsync()
          await navigate({ to: '/settings', search: { tab: 'webhooks' } })
        }}
      >
        Nothing more is sent, and its list of deliveries is deleted too. To stop it for a while, pause it.
      </Confirm>
    </>
  )
}
