// The states that a run was in, in order, and where it may go from where it is.
import { RUN_MOVES, RUN_STATES, type RunState } from '#core/run.ts'
import type { RunTimeline } from '../timeline/read-timeline.ts'

const PHASES: ReadonlySet<string> = new Set(['queue', 'execute', 'wait', 'pause'])

/** By the phases of its attempts; the state that it is in now is the last. */
export function pathOf({ spans }: Pick<RunTimeline, 'spans'>, now: RunState): RunState[] {
  const path: RunState[] = []
  const phases = [...spans.values()].filter(({ kind }) => PHASES.has(kind))
  for (const { name, status } of phases.toSorted((a, b) => a.fromMs - b.fromMs || a.sequence - b.sequence)) {
    const state = RUN_STATES.find((it) => it === name) ?? RUN_STATES.find((it) => it === status)
    if (state && path.at(-1) !== state) path.push(state)
  }
  if (path.at(-1) !== now) path.push(now)
  return path
}

export type Step = { from: RunState; to: RunState; times: number }

/** Each way once, with how often it was taken. */
export function stepsOf(path: readonly RunState[]): Step[] {
  const steps = new Map<string, Step>()
  path.slice(1).forEach((to, at) => {
    const from = path[at]!
    const step = steps.get(`${from} ${to}`) ?? { from, to, times: 0 }
    step.times += 1
    steps.set(`${from} ${to}`, step)
  })
  return [...steps.values()]
}

export const nextOf = (state: RunState): RunState[] =>
  RUN_STATES.filter(
    (to) => to !== state && Object.values(RUN_MOVES).some((move) => move.to === to && move.from.includes(state)),
  )
