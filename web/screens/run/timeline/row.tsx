import {
  ChevronDown,
  ChevronRight,
  CirclePlay,
  GitFork,
  Hand,
  ListChecks,
  type LucideIcon,
  Sparkles,
  Wrench,
} from 'lucide-react'
import type { CSSProperties } from 'react'
import { duration } from '../../../look/words.ts'
import type { Scale } from './scale.ts'
import type { Segment, Span, SpanKind } from './span.ts'
import { startOf, tookWords } from './spans.ts'
import styles from './timeline.module.css'

const ICONS: Record<SpanKind, LucideIcon> = {
  attempt: CirclePlay,
  step: ListChecks,
  tool: Wrench,
  model: Sparkles,
  question: Hand,
  child: GitFork,
  children: GitFork,
}

type SpanRowProps = {
  span: Span
  scale: Scale
  lastMs: number
  top: number
  isChosen: boolean
  /** Undefined when there is nothing to fold. */
  isFolded: boolean | undefined
  onFold: () => void
  onChoose: () => void
}

export function SpanRow({ span, scale, lastMs, top, isChosen, isFolded, onFold, onChoose }: SpanRowProps) {
  const Icon = ICONS[span.kind]
  const took = tookWords(span)
  const end = Math.max(...span.segments.map(({ toMs }) => scale.at(toMs ?? lastMs)))
  const start = scale.at(startOf(span))
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree has the focus, and its keys.
    <div
      id={`span-${span.id}`}
      role="treeitem"
      tabIndex={-1}
      aria-level={span.depth + 1}
      aria-selected={isChosen}
      aria-expanded={isFolded === undefined ? undefined : !isFolded}
      className={`${styles.row} ${isChosen ? styles.chosen : ''}`}
      style={{ top }}
      onClick={onChoose}
    >
      <span className={styles.label} style={{ paddingLeft: 8 + span.depth * 16 }}>
        {isFolded === undefined ? (
          <span className={styles.twist} />
        ) : (
          <button type="button" className={styles.twist} tabIndex={-1} aria-hidden="true" onClick={onFold}>
            {isFolded ? <ChevronRight size={12} /> : <ChevronDown size={12} />}
          </button>
        )}
        <Icon size={13} className={styles[span.tone] ?? ''} aria-hidden="true" />
        <span className={styles.name}>{span.name}</span>
        <span className={span.isError ? styles.error : styles.note}>{span.note}</span>
      </span>
      <span className={styles.line}>
        {span.segments.map((segment) => (
          <Bar key={`${segment.kind}${segment.fromMs}`} {...{ segment, span, scale, lastMs }} />
        ))}
        {took !== '' && (
          <span className={styles.took} style={placeOfTook(start, end)}>
            {took}
          </span>
        )}
      </span>
    </div>
  )
}

/** What would run out of the picture stands before the bar or, where there is no room either, at its end. */
function placeOfTook(start: number, end: number): CSSProperties {
  if (end <= 0.8) return { left: `${end * 100}%`, marginLeft: 6 }
  if (start >= 0.15) return { right: `${(1 - start) * 100}%`, marginRight: 6 }
  return { right: `${Math.max(0, 1 - end) * 100}%`, marginRight: 4 }
}

type BarProps = { segment: Segment; span: Span; scale: Scale; lastMs: number }

const SEGMENT_WORDS = { queue: 'in queue', run: '', wait: 'waiting', pause: 'paused' } as const

function Bar({ segment: { kind, fromMs, toMs }, span, scale, lastMs }: BarProps) {
  const from = scale.at(fromMs)
  const to = scale.at(toMs ?? lastMs)
  const words = `${SEGMENT_WORDS[kind]} ${duration((toMs ?? lastMs) - fromMs)}`.trim()
  const look = kind === 'queue' ? 'queue' : kind === 'run' ? span.tone : 'wait'
  return (
    <i
      title={words}
      className={`${styles.span} ${styles[look]} ${span.kind === 'attempt' && kind === 'run' ? styles.thin : ''} ${toMs === null ? styles.open : ''}`}
      style={{ left: `${from * 100}%`, width: `max(3px, ${(to - from) * 100}%)` }}
    />
  )
}
