// A span of a run: one row of its timeline.

export type SpanKind = 'attempt' | 'step' | 'tool' | 'model' | 'question' | 'child' | 'children'
export type SegmentKind = 'queue' | 'run' | 'wait' | 'pause'
export type Tone = 'ok' | 'run' | 'wait' | 'bad' | 'model' | 'rest'

export type Segment = { kind: SegmentKind; fromMs: number; toMs: number | null }
export type Span = {
  id: string
  kind: SpanKind
  name: string
  /** A few words behind the name. */
  note: string
  tone: Tone
  segments: Segment[]
  /** Of the event that tells of it. */
  sequence: number
  depth: number
  parent: string | undefined
  isError: boolean
  /** Several spans on one row, folded until somebody opens it. */
  isGroup?: boolean
  runId?: string
}
