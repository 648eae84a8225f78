// Presets: named execution settings. Every project has the machine presets; each names a worker pool, which is
// a queue, so that a deployment can put bigger machines behind the bigger names.

export type Preset = {
  name: string
  description: string
  /** Queue of its runs, if workers execute their job; null, here and below: the job's setting. */
  queue: string | null
  timeoutSecs: number | null
  maxAttempts: number | null
  environment: Record<string, string>
}

const machine = (name: string, cpus: number, memoryMb: number): Preset => ({
  name,
  description: `Workers with ${cpus} CPU${cpus === 1 ? '' : 's'} and ${memoryMb} MB of memory, which claim from the queue ${name}.`,
  queue: name,
  timeoutSecs: null,
  maxAttempts: null,
  environment: { MEMORY_LIMIT_MB: String(memoryMb) },
})

/** Smallest first. */
export const MACHINE_PRESETS: readonly Preset[] = [
  machine('micro', 1, 256),
  machine('small-1x', 1, 512),
  machine('small-2x', 2, 1024),
  machine('medium-1x', 2, 4096),
  machine('medium-2x', 4, 8192),
  machine('large-1x', 8, 16_384),
  machine('large-2x', 16, 32_768),
]
