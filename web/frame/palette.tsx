// Find and go: screens, the jobs and agents of the project, and a run by its id.
import { useQuery } from '@tanstack/react-query'
import { type NavigateOptions, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { listAgents, listJobs } from '../api/calls.ts'
import { useMay } from '../api/session.ts'
import { toggleLive } from '../live/live.ts'
import { nextTheme, setPreferences, usePreferences } from '../look/preferences.ts'
import { Dialog } from '../parts/dialog.tsx'
import styles from './palette.module.css'
import { SCREENS } from './screens.ts'

type Entry = { id: string; group: string; name: string; hint?: string; act: () => void }
type PaletteProps = { open: boolean; onClose: () => void; onShortcuts: () => void }

const SHOWN_MAX = 12
const NAMES_MAX = 200

export function Palette(props: PaletteProps) {
  return (
    <Dialog open={props.open} onClose={props.onClose} title="Find or do">
      <Choices {...props} />
    </Dialog>
  )
}

function Choices({ onClose, onShortcuts }: PaletteProps) {
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const entries = useEntries(text.trim(), { onClose, onShortcuts })
  const chosen = Math.min(at, entries.length - 1)
  const onKeyDown = (event: React.KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step !== 0) setAt((chosen + step + entries.length) % entries.length)
    else if (event.key === 'Enter') entries[chosen]?.act()
    else return
    event.preventDefault()
  }
  return (
    <div className={styles.palette}>
      <input
        // biome-ignore lint/a11y/noAutofocus: whoever opens the palette wants to write.
        autoFocus
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-entries"
        aria-activedescendant={entries[chosen]?.id}
        aria-label="Find a run by its id, a job, an agent, a screen"
        placeholder="An id, a job, an agent, a screen …"
        value={text}
        onChange={({ target }) => {
          setText(target.value)
          setAt(0)
        }}
        onKeyDown={onKeyDown}
      />
      <div role="listbox" id="palette-entries" aria-label="Found" className={styles.entries}>
        {entries.map(({ id, group, name, hint, act }, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the focus, and Enter.
          <div
            key={id}
            id={id}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            onClick={act}
            onPointerMove={() => setAt(index)}
          >
            <span>{group}</span>
            {name}
            {hint !== undefined && <kbd>{hint}</kbd>}
          </div>
        ))}
      </div>
      {entries.length === 0 && <p className={styles.none}>Nothing of that name. The whole id of a run opens it.</p>}
    </div>
  )
}

function useEntries(text: string, { onClose, onShortcuts }: Omit<PaletteProps, 'open'>): Entry[] {
  const navigate = useNavigate()
  const may = useMay()
  const { theme } = usePreferences()
  const jobs = useQuery({
    queryKey: ['jobs', 'names'],
    queryFn: ({ signal }) => listJobs({ limit: NAMES_MAX }, { signal }),
    enabled: may('jobs:read'),
  })
  const agents = useQuery({
    queryKey: ['agents', 'names'],
    queryFn: ({ signal }) => listAgents({ limit: NAMES_MAX }, { signal }),
    enabled: may('agents:read'),
  })
  const go = (to: NavigateOptions) => () => {
    onClose()
    void navigate(to)
  }
  const does = (act: () => void) => () => {
    onClose()
    act()
  }
  const named: Entry[] = [
    ...SCREENS.map(({ path, name, key }) => ({
      id: `screen-${key}`,
      group: 'Go to',
      name,
      hint: `g ${key}`,
      act: go({ to: path }),
    })),
    ...(jobs.data?.data ?? []).map(({ slug }) => ({
      id: `job-${slug}`,
      group: 'Job',
      name: slug,
      act: go({ to: '/jobs/$job', params: { job: slug } }),
    })),
    ...(agents.data?.data ?? []).map(({ id }, index) => ({
      id: `agent-${index}`,
      group: 'Agent',
      name: id,
      act: go({ to: '/agents/$agent_id', params: { agent_id: id } }),
    })),
    {
      id: 'theme',
      group: 'Do',
      name: 'Change the theme',
      hint: 't',
      act: does(() => setPreferences({ theme: nextTheme(theme) })),
    },
    { id: 'live', group: 'Do', name: 'Live on or off', hint: 'l', act: does(toggleLive) },
    { id: 'shortcuts', group: 'Do', name: 'Show the shortcuts', hint: '?', act: does(onShortcuts) },
  ]
  const wanted = text.toLowerCase()
  const found = named.filter(({ name }) => name.toLowerCase().includes(wanted)).slice(0, SHOWN_MAX)
  if (text.length < 8) return found
  return [{ id: 'run', group: 'Run', name: text, act: go({ to: '/runs/$run_id', params: { run_id: text } }) }, ...found]
}
