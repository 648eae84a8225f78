// Tells a database that hangs from one that is busy. Nobody but a probe can: a statement may take its time, and the
// connections of a server that is stopped, or of a network that forgot us, look alive.

/** So long nothing at all may have been answered before we ask. */
const SUSPECT_MS = 3_000
/** So long a new connection may take before we say that nobody is there. */
const PROBE_MS = 5_000
const AGAIN_MS = 500
const TICK_MS = 250

export type Pulse = {
  /** Something was asked; from now on the answers are watched. */
  watch(): void
  /** Nobody answers: do not ask, tell the caller. */
  isSilent(): boolean
  stop(): void
}

export type PulseOptions = {
  /** Since when somebody has been waiting without any answer to anybody; undefined when nobody waits. */
  waitingSinceMs: () => number | undefined
  /** False when no answer came in time; an error is an answer too. */
  probe: (maxMs: number) => Promise<boolean>
  onSilent: () => void
  onBack: () => void
}

export function takePulse({ waitingSinceMs, probe, onSilent, onBack }: PulseOptions): Pulse {
  let timer: NodeJS.Timeout | undefined
  let probing = false
  let silent = false
  let stopped = false

  async function tick(): Promise<void> {
    const sinceMs = waitingSinceMs()
    if (sinceMs === undefined) return rest()
    if (probing || performance.now() - sinceMs < SUSPECT_MS) return
    probing = true
    const probedMs = performance.now()
    const answered = await probe(PROBE_MS)
    probing = false
    // Somebody may have been answered meanwhile, late as it was.
    const stillWaiting = (waitingSinceMs() ?? Number.POSITIVE_INFINITY) < probedMs
    if (answered || !stillWaiting || stopped) return
    rest()
    silent = true
    onSilent()
    void comeBack()
  }

  async function comeBack(): Promise<void> {
    while (!stopped && !(await probe(PROBE_MS))) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS).unref())
    silent = false
    if (!stopped) onBack()
  }

  function rest(): void {
    clearInterval(timer)
    timer = undefined
  }

  return {
    watch() {
      if (!stopped && !silent) timer ??= setInterval(() => void tick(), TICK_MS).unref()
    },
    isSilent: () => silent,
    stop() {
      stopped = true
      rest()
    },
  }
}
