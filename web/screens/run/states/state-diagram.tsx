// The states that a run can be in, with the way that this one took and where it may go from here.
import type { Run } from '#contract/runs/run.ts'
import { RUN_STATES, type RunState } from '#core/run.ts'
import { stateWord } from '../../../look/words.ts'
import { Answered } from '../../../parts/answered.tsx'
import { Panel } from '../../../parts/panel.tsx'
import { toneOf } from '../../../parts/state-chip.tsx'
import { useTimeline } from '../timeline/read-timeline.ts'
import { arrowOf, BOX } from './arrow.ts'
import { PLACES, SIZE } from './places.ts'
import styles from './state-diagram.module.css'
import { nextOf, pathOf, stepsOf } from './state-path.ts'

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

export function Diagram({ path }: { path: readonly RunState[] }) {
  const now = path.at(-1)!
  const next = nextOf(now)
  const been = new Set(path)
  const shown = path.slice(-PATH_SHOWN_MAX)
  return (
    <>
      <div className={styles.scroll}>
        {/* What it shows is told in words below. */}
        <svg viewBox={`0 0 ${SIZE.width} ${SIZE.height}`} className={styles.diagram} aria-hidden="true">
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
const PICTURE = { boxes: Object.values(PLACES), size: SIZE }

function Arrow({ from, to, look, times = 1 }: ArrowProps) {
  const { begin, control, end, label } = arrowOf(PLACES[from], PLACES[to], PICTURE)
  const angle = (Math.atan2(end.y - control.y, end.x - control.x) * 180) / Math.PI
  return (
    <g className={look}>
      <path d={`M${begin.x} ${begin.y} Q${control.x} ${control.y} ${end.x} ${end.y}`} />
      <polygon
        points={`0,0 ${-HEAD},${-HEAD / 2} ${-HEAD},${HEAD / 2}`}
        transform={`translate(${end.x} ${end.y}) rotate(${angle})`}
      />
      {times > 1 && (
        <text x={label.x} y={label.y + 4} className={styles.times}>
          {times}×
        </text>
      )}
    </g>
  )
}
