// What somebody looks at of a timeline: the span that is chosen, what is folded, and how far they zoomed; with its keys.
import { useMemo, useState } from 'react'
import type { Run } from '#contract/runs/run.ts'
import { isOver } from '#core/run.ts'
import { useKeys } from '../../../frame/keys.ts'
import { useNow } from '../../../live/ticking.ts'
import type { RunTimeline } from './read-timeline.ts'
import { type Scale, scaleOf } from './scale.ts'
import type { Span } from './span.ts'
import { foldedFrom, foldedOf, spansOf, unfolded } from './spans.ts'

const LEVELS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

export type View = {
  spans: readonly Span[]
  /** Those that are not below a folded one. */
  rows: readonly Span[]
  scale: Scale
  /** Where a span that is under way ends for now. */
  lastMs: number
  folded: ReadonlySet<string>
  fold: (id: string) => void
  chosen: Span | undefined
  choose: (id: string) => void
  /** Chooses the next or the previous error. */
  seek: (by: number) => void
  zoomed: Span | undefined
  zoomIn: () => void
  zoomOut: () => void
  collapsesIdle: boolean
  toggleIdle: () => void
  /** Without the rows that stand for several. */
  singleCount: number
  errorCount: number
}

export function useView(run: Run, timeline: RunTimeline): View {
  const spans = useMemo(() => spansOf(timeline), [timeline])
  const [chosenId, choose] = useState<string | undefined>()
  const chosen = spans.find(({ id }) => id === chosenId)
  const zoom = useZoom(spans, chosenId)
  const folding = useFolding(spans)
  const seen = useScale({ run, spans, zoomed: zoom.zoomed })
  const errors = folding.rows.filter(({ isError }) => isError)
  const seek = (by: number) => {
    const at = errors.findIndex(({ id }) => id === chosenId)
    choose(errors.at(at < 0 && by < 0 ? -1 : (at + by) % errors.length)?.id)
  }
  useKeys({
    '[': () => seek(-1),
    ']': () => seek(1),
    Escape: () => {
      if (zoom.zoomed) return zoom.zoomOut()
      return chosen !== undefined && choose(undefined)
    },
  })
  return { spans, chosen, choose, seek, ...zoom, ...folding, ...seen }
}

function useZoom(spans: readonly Span[], chosenId: string | undefined) {
  const [zoomedId, setZoomedId] = useState<string | undefined>()
  const zoomed = spans.find(({ id }) => id === zoomedId)
  const zoomIn = () => chosenId !== undefined && setZoomedId(chosenId)
  const zoomOut = () => setZoomedId(undefined)
  useKeys({ z: zoomIn, 'Shift+z': zoomOut })
  return { zoomed, zoomIn, zoomOut }
}

function useFolding(spans: readonly Span[]) {
  const [toggled, setToggled] = useState<ReadonlySet<string>>(new Set())
  const folded = useMemo(() => foldedOf(spans, toggled), [spans, toggled])
  const rows = useMemo(() => unfolded(spans, folded), [spans, folded])
  const foldFrom = (level: number) => setToggled(foldedFrom(spans, level))
  useKeys({
    e: () => foldFrom(Number.POSITIVE_INFINITY),
    w: () => foldFrom(0),
    ...Object.fromEntries(LEVELS.map((level) => [String(level), () => foldFrom(level)])),
  })
  const fold = (id: string) => setToggled(toggled.has(id) ? without(toggled, id) : new Set([...toggled, id]))
  return { folded, rows, fold }
}

const without = (set: ReadonlySet<string>, id: string) => new Set([...set].filter((it) => it !== id))

type ScaleInput = { run: Run; spans: readonly Span[]; zoomed: Span | undefined }

function useScale({ run, spans, zoomed }: ScaleInput) {
  const [collapsesIdle, setCollapsesIdle] = useState(true)
  const nowMs = useNow()
  const single = useMemo(() => spans.filter(({ isGroup }) => !isGroup), [spans])
  // The clock of a run that is over stands still.
  const lastMs = isOver(run.status) ? Date.parse(run.finished_at ?? run.created_at) : nowMs
  const scale = useMemo(
    () => scaleOf(single, { nowMs: lastMs, collapsesIdle, zoomed }),
    [single, lastMs, collapsesIdle, zoomed],
  )
  const errorCount = useMemo(() => single.filter(({ isError }) => isError).length, [single])
  const toggleIdle = () => setCollapsesIdle(!collapsesIdle)
  useKeys({ i: toggleIdle })
  return { scale, lastMs, collapsesIdle, toggleIdle, singleCount: single.length, errorCount }
}
