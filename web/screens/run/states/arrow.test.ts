import { describe, expect, test } from 'vitest'
import { RUN_STATES, type RunState } from '#core/run.ts'
import { arrowOf, isFree, isInside, LABEL, pointAt } from './arrow.ts'
import { PLACES, SIZE } from './places.ts'
import { nextOf } from './state-path.ts'

const boxes = Object.values(PLACES)
const picture = { boxes, size: SIZE }
const moves = RUN_STATES.flatMap((from) => nextOf(from).map((to) => [from, to] as const))
const between = (from: RunState, to: RunState) => boxes.filter((box) => box !== PLACES[from] && box !== PLACES[to])

describe('the arrows of the state diagram', () => {
  test.each(moves)('from %s to %s has its label where no state hides it', (from, to) => {
    const { label } = arrowOf(PLACES[from], PLACES[to], picture)
    expect(isFree(label, LABEL, boxes)).toBe(true)
    expect(isInside(label, LABEL, SIZE)).toBe(true)
  })

  test('of the states that a run goes through more than once go around all others', () => {
    const again = moves.filter(([from, to]) => nextOf(from).length > 0 && nextOf(to).length > 0)
    for (const [from, to] of again) {
      const arrow = arrowOf(PLACES[from], PLACES[to], picture)
      for (let t = 0; t <= 1; t += 0.02)
        expect(isFree(pointAt(arrow, t), { width: 0, height: 0 }, between(from, to)), `${from} ${to} ${t}`).toBe(true)
    }
  })

  test('there and back lie apart', () => {
    const there = arrowOf(PLACES.executing, PLACES.waiting, picture)
    const back = arrowOf(PLACES.waiting, PLACES.executing, picture)
    expect(Math.hypot(there.label.x - back.label.x, there.label.y - back.label.y)).toBeGreaterThan(10)
  })
})
