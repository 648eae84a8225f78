// What the palette offers: what the keys of the page do, screens, jobs and agents by a part of their name, and what the
// server finds by id.
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { type NavigateOptions, useMatches, useNavigate } from '@tanstack/react-router'
import { findThings, listAgents, listJobs } from '../api/calls.ts'
import { useMay } from '../api/session.ts'
import { toggleLive } from '../live/live.ts'
import { nextTheme, setPreferences, usePreferences } from '../look/preferences.ts'
import { isBound, press } from './keys.ts'
import { SCREENS } from './screens.ts'
import { shortcutsOn } from './shortcut-list.ts'

export type Entry = { id: string; group: string; name: string; hint?: string; act: () => void }
type Closing = { onClose: () => void; onShortcuts: () => void }

const SHOWN_MAX = 12
const NAMES_MAX = 200
/** Shorter ones would find half of the project. */
const FIND_LENGTH_MIN = 4
const FIND_LENGTH_MAX = 256

export function useEntries(text: string, closing: Closing): Entry[] {
  const named = useNamed(closing)
  const found = useFound(text, closing)
  const wanted = text.toLowerCase()
  const known = new Set(found.map(({ id }) => id))
  const matching = named.filter(({ id, name }) => !known.has(id) && name.toLowerCase().includes(wanted))
  return [...found, ...matching].slice(0, SHOWN_MAX)
}

function useGo(onClose: () => void) {
  const navigate = useNavigate()
  return (to: NavigateOptions) => () => {
    onClose()
    void navigate(to)
  }
}

function useNamed({ onClose, onShortcuts }: Closing): Entry[] {
  const may = useMay()
  const go = useGo(onClose)
  const { theme } = usePreferences()
  const path = useMatches({ select: (matches) => matches.at(-1)?.fullPath })
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
  const does = (act: () => void) => () => {
    onClose()
    // The palette gives the focus back first.
    setTimeout(act)
  }
  return [
    ...shortcutsOn(path)
      .filter(({ key }) => isBound(key))
      .map(({ key, does: name }) => ({ id: `key-${key}`, group: 'Do', name, hint: key, act: does(() => press(key)) })),
    ...SCREENS.map(({ path: to, name, key }) => ({
      id: `screen-${key}`,
      group: 'Go to',
      name,
      hint: `g ${key}`,
      act: go({ to }),
    })),
    ...(jobs.data?.data ?? []).map(({ slug }) => ({
      id: `job-${slug}`,
      group: 'Job',
      name: slug,
      act: go({ to: '/jobs/$job', params: { job: slug } }),
    })),
    ...(agents.data?.data ?? []).map(({ id }) => ({
      id: `agent-${id}`,
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
}

type Found = Awaited<ReturnType<typeof findThings>>['data'][number]

/** Where each leads; an event is no page of its own. */
const PLACES: Record<Found['type'], ((found: Found) => NavigateOptions) | undefined> = {
  run: ({ id }) => ({ to: '/runs/$run_id', params: { run_id: id } }),
  job: ({ id, name }) => ({ to: '/jobs/$job', params: { job: name ?? id } }),
  agent: ({ id }) => ({ to: '/agents/$agent_id', params: { agent_id: id } }),
  operation: () => ({ to: '/operations' }),
  correlation: ({ id }) => ({ to: '/events', search: { correlation_id: id } }),
  event: undefined,
}
const GROUPS: Record<Found['type'], string> = {
  run: 'Run',
  job: 'Job',
  agent: 'Agent',
  operation: 'Operation',
  correlation: 'Chain',
  event: 'Event',
}

function useFound(text: string, { onClose }: Closing): Entry[] {
  const may = useMay()
  const go = useGo(onClose)
  const { data } = useQuery({
    queryKey: ['find', text],
    queryFn: ({ signal }) => findThings({ q: text }, { signal }),
    enabled: may('runs:read') && text.length >= FIND_LENGTH_MIN && text.length <= FIND_LENGTH_MAX,
    placeholderData: keepPreviousData,
  })
  if (text.length < FIND_LENGTH_MIN) return []
  return (data?.data ?? []).flatMap((found) => {
    const place = PLACES[found.type]
    if (!place) return []
    const { type, id, name } = found
    const title = type === 'job' || type === 'agent' || name === null ? (name ?? id) : `${name} ${id}`
    return [{ id: `${type}-${type === 'job' ? title : id}`, group: GROUPS[type], name: title, act: go(place(found)) }]
  })
}
