import { type ComponentType, lazy, Suspense, useEffect, useState } from 'react'

/** Long enough for the first screen to have been loaded and shown. */
export const LOAD_AFTER_MS = 1_000

/**
 * A dialog whose code the first screen does not wait for: it comes a moment later, or when the dialog is opened. Once
 * opened it stays mounted, so that closing it gives the focus back.
 */
export function onDemand<Props extends { open: boolean }>(load: () => Promise<ComponentType<Props>>) {
  const Loaded = lazy(async () => ({ default: await load() }))
  return function OnDemand(props: Props) {
    const [wasOpened, setWasOpened] = useState(props.open)
    if (props.open && !wasOpened) setWasOpened(true)
    useEffect(() => {
      // A failure is met again, and shown, when the dialog is opened.
      const timer = setTimeout(() => void load().catch(() => {}), LOAD_AFTER_MS)
      return () => clearTimeout(timer)
    }, [])
    return wasOpened ? (
      <Suspense fallback={null}>
        <Loaded {...props} />
      </Suspense>
    ) : null
  }
}
