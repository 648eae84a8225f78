import { useVirtualizer } from '@tanstack/react-virtual'
import { ChevronLeft, ChevronRight } from 'lucide-react'
import { useMemo, useRef, useState } from 'react'
import type { Run } from '#contract/runs/run.ts'
import { isOver } from '#core/run.ts'
import { useKeys } from '../../../frame/keys.ts'
import { useNow } from '../../../live/ticking.ts'
import { usePreferences } from '../../../look/preferences.ts'
import { timeOfDay } from '../../../look/times.ts'
import { counted, duration } from '../../../look/words.ts'
import { Button } from '../../../parts/button.tsx'
import { Empty } from '../../../parts/notes.tsx'
import { SpanDetail } from './detail.tsx'
import type { RunTimeline } from './read-timeline.ts'
import { SpanRow } from './row.tsx'
import { type Scale, scaleOf } from './scale.ts'
import type { Span } from './span.ts'
import { foldedFrom, foldedOf, spansOf, unfolded } from './spans.ts'
import styles from './timeline.module.css'

const ROW = 28
const LEVELS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

type TimelineProps = { run: Run; timeline: RunTimeline }

export function Timeline({ run, timeline }: TimelineProps) {
  const [toggled, setToggled] = useState<ReadonlySet<string>>(new Set())
  const [chosen, setChosen] = useState<string | undefined>()
  const [collapsesIdle, setCollapsesIdle] = useState(true)
  const nowMs = useNow()
  const spans = useMemo(() => spansOf(timeline), [timeline])
  const single = useMemo(() => spans.filter(({ isGroup }) => !isGroup), [spans])
  // The clock of a run that is over stands still.
  const lastMs = isOver(run.status) ? Date.parse(run.finished_at ?? run.created_at) : nowMs
  const scale = useMemo(() => scaleOf(single, lastMs, collapsesIdle), [single, lastMs, collapsesIdle])
  const folded = useMemo(() => foldedOf(spans, toggled), [spans, toggled])
  const rows = useMemo(() => unfolded(spans, folded), [spans, folded])
  const errors = rows.filter(({ isError }) => isError)
  const seek = (by: number) => {
    const at = errors.findIndex(({ id }) => id === chosen)
    setChosen(errors.at((at < 0 && by < 0 ? 0 : at) + by >= errors.length ? 0 : (at < 0 && by < 0 ? 0 : at) + by)?.id)
  }
  const foldFrom = (level: number) => setToggled(foldedFrom(spans, level))
  useKeys({
    i: () => setCollapsesIdle(!collapsesIdle),
    '[': () => seek(-1),
    ']': () => seek(1),
    e: () => foldFrom(Number.POSITIVE_INFINITY),
    w: () => foldFrom(0),
    ...Object.fromEntries(LEVELS.map((level) => [String(level), () => foldFrom(level)])),
  })
  if (spans.length === 0) return <Empty title="Nothing has happened yet" />
  const fold = (id: string) => setToggled(toggled.has(id) ? without(toggled, id) : new Set([...toggled, id]))
  const detail = spans.find(({ id }) => id === chosen)
  return (
    <div className={styles.split}>
      <section className={styles.panel} aria-label="Timeline">
        <div className={styles.bar}>
          <span>
            {counted(single.length, 'span')} · <code>#1–#{timeline.lastSequence}</code>
            {timeline.hasMore && ' and more, which the log has'}
          </span>
          <span className={styles.tools}>
            {errors.length > 0 && (
              <>
                <Button
                  onClick={() => seek(-1)}
                  aria-label="Previous error"
                  icon={<ChevronLeft size={13} aria-hidden="true" />}
                />
                <span className={styles.bad}>{counted(single.filter(({ isError }) => isError).length, 'error')}</span>
                <Button
                  onClick={() => seek(1)}
                  aria-label="Next error"
                  icon={<ChevronRight size={13} aria-hidden="true" />}
                />
              </>
            )}
            <Button hint="i" aria-pressed={collapsesIdle} onClick={() => setCollapsesIdle(!collapsesIdle)}>
              {collapsesIdle ? 'Idle collapsed' : 'Idle to scale'}
            </Button>
          </span>
        </div>
        <Axis scale={scale} />
        <Rows {...{ rows, spans, scale, lastMs, folded, chosen, onFold: fold, onChoose: setChosen }} />
        <Legend />
      </section>
      <SpanDetail runId={run.id} span={detail} />
    </div>
  )
}

const without = (set: ReadonlySet<string>, id: string) => new Set([...set].filter((it) => it !== id))

function Axis({ scale }: { scale: Scale }) {
  const { clock } = usePreferences()
  return (
    <div className={styles.axis} aria-hidden="true">
      <span>Span</span>
      <span className={styles.line}>
        {scale.ticks.map(({ at, ms }, index) => (
          <i key={at} style={{ left: `${at * 100}%` }}>
            {index === 0 ? timeOfDay(new Date(ms), clock) : `+${duration(ms - scale.fromMs)}`}
          </i>
        ))}
        {scale.gaps.map((gap) => (
          <b key={gap.fromMs} style={{ left: `${scale.at((gap.fromMs + gap.toMs) / 2) * 100}%` }}>
            {duration(gap.toMs - gap.fromMs)} idle
          </b>
        ))}
      </span>
    </div>
  )
}

type RowsProps = {
  rows: readonly Span[]
  spans: readonly Span[]
  scale: Scale
  lastMs: number
  folded: ReadonlySet<string>
  chosen: string | undefined
  onFold: (id: string) => void
  onChoose: (id: string) => void
}

function Rows({ rows, spans, scale, lastMs, folded, chosen, onFold, onChoose }: RowsProps) {
  const box = useRef<HTMLDivElement>(null)
  const parents = useMemo(() => new Set(spans.map(({ parent }) => parent)), [spans])
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: 12,
  })
  const onKeyDown = (event: React.KeyboardEvent) => {
    const at = rows.findIndex(({ id }) => id === chosen)
    const row = rows[at]
    const next =
      event.key === 'ArrowDown' ? at + 1 : event.key === 'ArrowUp' ? at - 1 : event.key === 'Home' ? 0 : undefined
    if (next !== undefined) {
      const target = rows[Math.max(0, Math.min(rows.length - 1, next))]
      if (target) onChoose(target.id)
      virtual.scrollToIndex(Math.max(0, next))
    } else if (row && event.key === 'ArrowRight' && folded.has(row.id)) onFold(row.id)
    else if (row && event.key === 'ArrowLeft' && parents.has(row.id) && !folded.has(row.id)) onFold(row.id)
    else return
    event.preventDefault()
  }
  return (
    // The focus stays on the tree, which says what is active: rows come and go while it scrolls.
    <div
      ref={box}
      className={styles.rows}
      role="tree"
      aria-label="Spans of the run"
      tabIndex={0}
      aria-activedescendant={chosen && `span-${chosen}`}
      onKeyDown={onKeyDown}
    >
      <div role="presentation" className={styles.canvas} style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const span = rows[item.index]
          if (!span) return null
          return (
            <SpanRow
              key={span.id}
              span={span}
              scale={scale}
              lastMs={lastMs}
              top={item.start}
              isChosen={span.id === chosen}
              isFolded={parents.has(span.id) ? folded.has(span.id) : undefined}
              onFold={() => onFold(span.id)}
              onChoose={() => onChoose(span.id)}
            />
          )
        })}
      </div>
    </div>
  )
}

const Legend = () => (
  <div className={styles.legend}>
    <span>
      <i className={styles.queue} /> in queue
    </span>
    <span>
      <i className={styles.wait} /> waiting
    </span>
    <span>
      <i className={styles.model} /> model
    </span>
    <span>
      <i className={styles.ok} /> done
    </span>
    <span>
      <i className={styles.bad} /> failed
    </span>
  </div>
)
