import { updateWebhook, type Webhook } from '../../../api/webhooks.ts'
import { useAct } from '../../../parts/act.ts'
import { type WebhookDraft, WebhookForm } from './webhook-form.tsx'

const FIELDS = ['name', 'url', 'types', 'jobs', 'agents', 'states', 'tags', 'disable_after_days'] as const

/** Sends the fields that were changed alone, so that what somebody else changed meanwhile stays. */
export function EditWebhook({ webhook, onClose }: { webhook: Webhook; onClose: () => void }) {
  const change = useAct(updateWebhook, ['webhooks'])
  const save = async (draft: WebhookDraft) => {
    const changed = FIELDS.filter((name) => JSON.stringify(draft[name]) !== JSON.stringify(webhook[name]))
    if (changed.length > 0)
      await change.mutateAsync({
        webhook_id: webhook.id,
        ...Object.fromEntries(changed.map((name) => [name, draft[name]])),
      })
    onClose()
  }
  return <WebhookForm draft={webhook} verb="Save" onSubmit={save} onClose={onClose} />
}
