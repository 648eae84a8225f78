// A point in time, told as the person chose; the other ways are in its title. And spans that still grow.

import { useNow } from '../live/ticking.ts'
import { usePreferences } from '../look/preferences.ts'
import { absolute, inLocal, inUtc, relative } from '../look/times.ts'
import { duration } from '../look/words.ts'

type TimeProps = { at: string | null | undefined; none?: string }

export function Time({ at, none = '–' }: TimeProps) {
  return at ? <ToldTime at={at} /> : none
}

function ToldTime({ at }: { at: string }) {
  const { clock } = usePreferences()
  const nowMs = useNow()
  const date = new Date(at)
  const told = clock === 'relative' ? relative(date.getTime(), nowMs) : absolute(date, clock)
  return (
    <time dateTime={at} title={`${inLocal(date)}\n${inUtc(date)}`}>
      {told}
    </time>
  )
}

/** From one time to another, or until now where the other is still to come. */
export function Elapsed({ from, to }: { from: string; to: string | null | undefined }) {
  return to ? duration(Math.max(0, Date.parse(to) - Date.parse(from))) : <Growing from={from} />
}

function Growing({ from }: { from: string }) {
  const nowMs = useNow()
  return duration(Math.max(0, Math.floor((nowMs - Date.parse(from)) / 1000) * 1000))
}

/** How long until then. */
export function Countdown({ to }: { to: string }) {
  const nowMs = useNow()
  const leftMs = Date.parse(to) - nowMs
  return <>{leftMs <= 0 ? 'now' : `in ${duration(Math.ceil(leftMs / 1000) * 1000)}`}</>
}
