// The log as lines: by level and text, following what comes.
import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useMemo, useRef, useState } from 'react'
import type { Event } from '#contract/event.ts'
import { usePreferences } from '../../look/preferences.ts'
import { timeOfDay } from '../../look/times.ts'
import { counted } from '../../look/words.ts'
import { Button } from '../../parts/button.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { JsonTree } from '../../parts/json-tree.tsx'
import { Empty } from '../../parts/notes.tsx'
import { Panel } from '../../parts/panel.tsx'
import styles from './run.module.css'
import type { RunLog } from './run-events.ts'

const LINE = 24
const LEVELS = ['all', 'info', 'warn', 'error'] as const

export function LogTab({ log, onMore }: { log: RunLog; onMore: () => void }) {
  const [text, setText] = useState('')
  const [level, setLevel] = useState<(typeof LEVELS)[number]>('all')
  const [follows, setFollows] = useState(true)
  const [opened, setOpened] = useState<Event | undefined>()
  const wanted = text.toLowerCase()
  const rows = useMemo(
    () =>
      log.events.filter(
        (event) => (level === 'all' || event.level === level) && (wanted === '' || textOf(event).includes(wanted)),
      ),
    [log.events, level, wanted],
  )
  const tools = (
    <>
      <label>
        <input type="checkbox" checked={follows} onChange={({ target }) => setFollows(target.checked)} /> Follow
      </label>
      <select
        aria-label="Level"
        value={level}
        onChange={({ target }) => setLevel(LEVELS.find((it) => it === target.value) ?? 'all')}
      >
        {LEVELS.map((it) => (
          <option key={it} value={it}>
            {it === 'all' ? 'All levels' : it}
          </option>
        ))}
      </select>
      <input
        type="search"
        aria-label="Type, step, tool or message"
        placeholder="Type, step, tool, message"
        value={text}
        onChange={({ target }) => setText(target.value)}
      />
    </>
  )
  return (
    <Panel title={`${counted(rows.length, 'event')} of ${log.events.length}${log.hasMore ? '+' : ''}`} tools={tools}>
      {rows.length === 0 ? (
        <Empty title="No event matches" />
      ) : (
        <Lines rows={rows} follows={follows} onOpen={setOpened} />
      )}
      {log.hasMore && <Button onClick={onMore}>Read on</Button>}
      <Dialog open={opened !== undefined} onClose={() => setOpened(undefined)} title={opened?.type ?? ''} wide>
        {opened && <JsonTree value={opened} label="Event" />}
      </Dialog>
    </Panel>
  )
}

const textOf = ({ type, step, tool, message, status }: Event): string =>
  `${type} ${step ?? ''} ${tool ?? ''} ${status ?? ''} ${message ?? ''}`.toLowerCase()

type LinesProps = { rows: readonly Event[]; follows: boolean; onOpen: (event: Event) => void }

function Lines({ rows, follows, onOpen }: LinesProps) {
  const { clock } = usePreferences()
  const box = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => LINE,
    overscan: 20,
  })
  useEffect(() => {
    if (follows) virtual.scrollToIndex(rows.length - 1)
  }, [follows, rows.length, virtual])
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls can be reached by key.
    <section ref={box} className={styles.log} aria-label="Log" tabIndex={0}>
      <div className={styles.canvas} style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const event = rows[item.index]
          if (!event) return null
          return (
            <div key={event.sequence ?? item.index} className={styles.line} style={{ top: item.start }}>
              <span className={styles.sequence}>#{event.sequence}</span>
              <time dateTime={event.occurred_at} title={event.occurred_at}>
                {timeOfDay(new Date(event.occurred_at), clock)}
              </time>
              <button type="button" className={styles.type} onClick={() => onOpen(event)} title={event.type}>
                {event.type}
              </button>
              <span className={event.level === 'error' ? styles.error : event.level === 'warn' ? styles.warn : ''}>
                {[event.step, event.tool, event.status].filter((it) => it !== null).join(' · ')} {event.message}
              </span>
            </div>
          )
        })}
      </div>
    </section>
  )
}
