// The states that a run can be in, with the way that this one took and where it may go from here.
import type { Run } from '#contract/runs/run.ts'
import { RUN_STATES, type RunState } from '#core/run.ts'
import { stateWord } from '../../../look/words.ts'
import { Answered } from '../../../parts/answered.tsx'
import { Panel } from '../../../parts/panel.tsx'
import { toneOf } from '../../../parts/state-chip.tsx'
import { useTimeline } from '../timeline/read-timeline.ts'
import styles from './state-diagram.module.css'
import { nextOf, pathOf, stepsOf } from './state-path.ts'

const WIDTH = 840
const HEIGHT = 330
const BOX = { width: 112, height: 30 }

/** The middle of each state. A new state does not compile until it has a place. */
const PLACES = {
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
} as const satisfies Record<RunState, { x: number; y: number }>

const PATH_SHOWN_MAX = 30

export function StateDiagram({ run }: { run: Run }) {
  const query = useTimeline(run.id)
  return (
    <Panel title="Where the run is, and how it got there" pad>
      <Answered query={query} what="The timeline">
        {(timeline) => <Diagram path={pathOf(timeline, run.status)} />}
      </Answered>
    </Panel>
  )
}

function Diagram({ path }: { path: readonly RunState[] }) {
  const now = path.at(-1)!
  const next = nextOf(now)
  const been = new Set(path)
  const shown = path.slice(-PATH_SHOWN_MAX)
  return (
    <>
      <div className={styles.scroll}>
        {/* What it shows is told in words below. */}
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} className={styles.diagram} aria-hidden="true">
          {next.map((to) => (
            <Arrow key={to} from={now} to={to} look={styles.possible} />
          ))}
          {stepsOf(path).map(({ from, to, times }) => (
            <Arrow key={`${from} ${to}`} from={from} to={to} look={styles.taken} times={times} />
          ))}
          {RUN_STATES.map((state) => (
            <g
              key={state}
              className={`${styles[toneOf(state)]} ${state === now ? styles.now : been.has(state) ? styles.been : styles.other}`}
            >
              <rect
                x={PLACES[state].x - BOX.width / 2}
                y={PLACES[state].y - BOX.height / 2}
                width={BOX.width}
                height={BOX.height}
                rx={6}
              />
              <text x={PLACES[state].x} y={PLACES[state].y + 4}>
                {stateWord(state)}
              </text>
            </g>
          ))}
        </svg>
      </div>
      <p>
        It went {path.length > shown.length && '… → '}
        {shown.map(stateWord).join(' → ')}.
      </p>
      <p className={styles.muted}>
        {next.length === 0
          ? 'This state is final.'
          : `From here it can become ${next.map((state) => stateWord(state).toLowerCase()).join(', ')}.`}
      </p>
    </>
  )
}

type ArrowProps = { from: RunState; to: RunState; look: string | undefined; times?: number }

const HEAD = 7
const BEND = 0.12

/** Bent to one side, so that the way there and the way back lie apart. */
function Arrow({ from, to, look, times = 1 }: ArrowProps) {
  const [a, b] = [PLACES[from], PLACES[to]]
  const middle = { x: (a.x + b.x) / 2 + (b.y - a.y) * BEND, y: (a.y + b.y) / 2 - (b.x - a.x) * BEND }
  const begin = edgeOf(a, middle)
  const end = edgeOf(b, middle)
  const angle = (Math.atan2(end.y - middle.y, end.x - middle.x) * 180) / Math.PI
  return (
    <g className={look}>
      <path d={`M${begin.x} ${begin.y} Q${middle.x} ${middle.y} ${end.x} ${end.y}`} />
      <polygon
        points={`0,0 ${-HEAD},${-HEAD / 2} ${-HEAD},${HEAD / 2}`}
        transform={`translate(${end.x} ${end.y}) rotate(${angle})`}
      />
      {times > 1 && (
        <text x={(begin.x + 2 * middle.x + end.x) / 4} y={(begin.y + 2 * middle.y + end.y) / 4 - 4}>
          {times}×
        </text>
      )}
    </g>
  )
}

type Point = { x: number; y: number }

/** Where the line from the middle of a box to a point leaves the box. */
function edgeOf(box: Point, towards: Point): Point {
  const [dx, dy] = [towards.x - box.x, towards.y - box.y]
  const share = Math.min(
    dx === 0 ? Number.POSITIVE_INFINITY : BOX.width / 2 / Math.abs(dx),
    dy === 0 ? Number.POSITIVE_INFINITY : BOX.height / 2 / Math.abs(dy),
  )
  return { x: box.x + dx * share, y: box.y + dy * share }
}
