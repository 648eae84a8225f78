import { Ban, Check, Pause } from 'lucide-react'
import type { Job } from '#contract/job.ts'
import { Chip } from '../../parts/state-chip.tsx'

export function JobState({ job: { enabled, paused_at } }: { job: Job }) {
  if (!enabled)
    return (
      <Chip tone="rest">
        <Ban size={12} aria-hidden="true" /> Disabled
      </Chip>
    )
  if (paused_at !== null)
    return (
      <Chip tone="wait">
        <Pause size={12} aria-hidden="true" /> Paused
      </Chip>
    )
  return (
    <Chip tone="ok">
      <Check size={12} aria-hidden="true" /> On
    </Chip>
  )
}
