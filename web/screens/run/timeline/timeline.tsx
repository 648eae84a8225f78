import { useVirtualizer } from '@tanstack/react-virtual'
import { ChevronLeft, ChevronRight } from 'lucide-react'
import { useMemo, useRef } from 'react'
import type { Run } from '#contract/runs/run.ts'
import { usePreferences } from '../../../look/preferences.ts'
import { timeOfDay } from '../../../look/times.ts'
import { counted, duration } from '../../../look/words.ts'
import { Button } from '../../../parts/button.tsx'
import { Empty } from '../../../parts/notes.tsx'
import { SpanDetail } from './detail.tsx'
import type { RunTimeline } from './read-timeline.ts'
import { SpanRow } from './row.tsx'
import type { Reach, Scale } from './scale.ts'
import type { Span } from './span.ts'
import styles from './timeline.module.css'
import { useView, type View } from './view.ts'

const ROW = 28

type TimelineProps = { run: Run; timeline: RunTimeline }

export function Timeline({ run, timeline }: TimelineProps) {
  const view = useView(run, timeline)
  const { spans, rows, scale, lastMs, folded, chosen } = view
  if (spans.length === 0) return <Empty title="Nothing has happened yet" />
  return (
    <div className={styles.split}>
      <section className={styles.panel} aria-label="Timeline">
        <Bar view={view} timeline={timeline} />
        <Axis scale={scale} />
        <Rows
          {...{ rows, spans, scale, lastMs, folded }}
          chosen={chosen?.id}
          onFold={view.fold}
          onChoose={view.choose}
        />
        <Legend />
      </section>
      <SpanDetail runId={run.id} span={chosen} />
    </div>
  )
}

function Bar({ view, timeline }: { view: View; timeline: RunTimeline }) {
  const { singleCount, errorCount, seek, collapsesIdle, toggleIdle, chosen, zoomed } = view
  return (
    <div className={styles.bar}>
      <span>
        {counted(singleCount, 'span')} · <code>#1–#{timeline.lastSequence}</code>
        {timeline.hasMore && ' and more, which the log has'}
      </span>
      <span className={styles.tools}>
        {errorCount > 0 && (
          <>
            <Button
              onClick={() => seek(-1)}
              aria-label="Previous error"
              icon={<ChevronLeft size={13} aria-hidden="true" />}
            />
            <span className={styles.bad}>{counted(errorCount, 'error')}</span>
            <Button
              onClick={() => seek(1)}
              aria-label="Next error"
              icon={<ChevronRight size={13} aria-hidden="true" />}
            />
          </>
        )}
        {chosen && chosen.id !== zoomed?.id && (
          <Button hint="z" onClick={view.zoomIn}>
            Zoom
          </Button>
        )}
        {zoomed && (
          <Button hint="Z" onClick={view.zoomOut}>
            Whole run
          </Button>
        )}
        <Button hint="i" aria-pressed={collapsesIdle} onClick={toggleIdle}>
          {collapsesIdle ? 'Idle collapsed' : 'Idle to scale'}
        </Button>
      </span>
    </div>
  )
}

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
          <b key={gap.fromMs} style={{ left: `clamp(36px, ${middleOf(gap, scale) * 100}%, calc(100% - 36px))` }}>
            {duration(gap.toMs - gap.fromMs)} idle
          </b>
        ))}
      </span>
    </div>
  )
}

const middleOf = ({ fromMs, toMs }: Reach, { at }: Scale): number => (at(fromMs) + at(toMs)) / 2

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
