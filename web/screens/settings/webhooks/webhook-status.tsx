import type { Webhook } from '../../../api/webhooks.ts'
import { Chip } from '../../../parts/state-chip.tsx'

export function WebhookStatus({ webhook: { status, failing_since } }: { webhook: Webhook }) {
  if (status === 'disabled') return <Chip tone="bad">Disabled</Chip>
  if (status === 'paused') return <Chip tone="wait">Paused</Chip>
  return failing_since === null ? <Chip tone="ok">Active</Chip> : <Chip tone="bad">Failing</Chip>
}

/** People may leave the name out. */
export const nameOf = ({ name, url }: Webhook): string => name || url
