// Where each state stands in the diagram.
import type { RunState } from '#core/run.ts'
import type { Point } from './arrow.ts'

export const SIZE = { width: 840, height: 330 }

/** The middle of each state. A new state does not compile until it has a place. */
export const PLACES: Readonly<Record<RunState, Point>> = {
  delayed: { x: 70, y: 70 },
  queued: { x: 70, y: 190 },
  dequeued: { x: 240, y: 250 },
  executing: { x: 330, y: 130 },
  waiting: { x: 490, y: 60 },
  paused: { x: 490, y: 200 },
  dead_letter: { x: 490, y: 290 },
  completed: { x: 760, y: 30 },
  failed: { x: 760, y: 75 },
  timed_out: { x: 760, y: 120 },
  crashed: { x: 760, y: 165 },
  system_failed: { x: 760, y: 210 },
  canceled: { x: 760, y: 255 },
  expired: { x: 760, y: 300 },
}
