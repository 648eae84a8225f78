// The line on top: find, whether the page is live, how times are told, theme, project, and who is signed in.
import { useNavigate } from '@tanstack/react-router'
import { ChevronDown, Clock, Moon, Search, Sun, SunMoon } from 'lucide-react'
import { queryClient } from '../api/query-client.ts'
import { chooseProject, type Session, signOut, useSession } from '../api/session.ts'
import { toggleLive, useLiveState } from '../live/live.ts'
import { useNow } from '../live/ticking.ts'
import { nextClock, nextTheme, setPreferences, usePreferences } from '../look/preferences.ts'
import { zoneAt, zoneName } from '../look/times.ts'
import { duration } from '../look/words.ts'
import { KeyHint } from '../parts/key-hint.tsx'
import { MenuButton } from './menu-button.tsx'
import styles from './top-bar.module.css'

export function TopBar({ onFind }: { onFind: () => void }) {
  const session = useSession()
  return (
    <header className={styles.bar}>
      <span className={styles.brand}>
        <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
          <rect width="4" height="16" rx="2" fill="var(--accent)" />
          <rect x="6" width="4" height="16" rx="1" fill="var(--ok)" />
          <rect x="12" width="4" height="16" rx="2" fill="var(--wait)" />
        </svg>
        Runyard
      </span>
      <button type="button" className={styles.find} onClick={onFind}>
        <Search size={14} aria-hidden="true" />
        <span>Find a run, job or agent</span>
        <KeyHint name="/" />
      </button>
      <span className={styles.space} />
      <LiveDot />
      <ClockButton />
      <ThemeButton />
      {session && <ProjectMenu session={session} />}
      {session && <PersonMenu session={session} />}
    </header>
  )
}

const LIVE_WORDS = { live: 'Live', paused: 'Paused', reconnecting: 'Reconnecting', refused: 'Not live' } as const

function LiveDot() {
  const { state, sinceMs } = useLiveState()
  const nowMs = useNow()
  const age = state === 'live' ? '' : ` ${duration(Math.max(0, Math.floor((nowMs - sinceMs) / 1000) * 1000))}`
  return (
    <button
      type="button"
      className={styles.plain}
      onClick={toggleLive}
      aria-label={`${LIVE_WORDS[state]}: turn live ${state === 'live' ? 'off' : 'on'}`}
      title={state === 'live' ? 'Follows what happens; click or press l to pause' : 'Click or press l to go on'}
    >
      <i className={`${styles.dot} ${styles[state]}`} />
      <span className={styles.word}>
        {LIVE_WORDS[state]}
        {age}
      </span>
    </button>
  )
}

function ClockButton() {
  const { clock } = usePreferences()
  const words = {
    relative: `Relative · ${zoneAt(new Date())}`,
    local: `${zoneAt(new Date())} · ${zoneName()}`,
    utc: 'UTC',
  }
  return (
    <button
      type="button"
      className={styles.plain}
      onClick={() => setPreferences({ clock: nextClock(clock) })}
      aria-label={`Times: ${words[clock]}`}
      title="How times are told: relative, local, UTC"
    >
      <Clock size={14} aria-hidden="true" />
      <span className={styles.word}>{words[clock]}</span>
    </button>
  )
}

const THEME_ICONS = { system: SunMoon, light: Sun, dark: Moon } as const

function ThemeButton() {
  const { theme } = usePreferences()
  const Icon = THEME_ICONS[theme]
  return (
    <button
      type="button"
      className={styles.plain}
      onClick={() => setPreferences({ theme: nextTheme(theme) })}
      aria-label={`Theme: ${theme}`}
      title={`Theme: ${theme} (t)`}
    >
      <Icon size={15} aria-hidden="true" />
    </button>
  )
}

function ProjectMenu({ session: { project_id, projects } }: { session: Session }) {
  const navigate = useNavigate()
  if (projects.length < 2) return <span className={styles.word}>{project_id}</span>
  const choose = (id: string) => {
    chooseProject(id)
    // Nothing of the one project is shown in the other: the page begins anew.
    void navigate({ to: '/' }).then(() => location.reload())
  }
  const items = projects.map(({ id, name }) => ({
    id,
    name: (
      <>
        {name} <code>{id}</code>
      </>
    ),
    act: () => choose(id),
  }))
  return (
    <MenuButton items={items}>
      {project_id} <ChevronDown size={12} aria-hidden="true" />
    </MenuButton>
  )
}

function PersonMenu({ session: { actor } }: { session: Session }) {
  const navigate = useNavigate()
  const leave = () =>
    signOut().then(
      () => navigate({ to: '/sign-in' }),
      () => queryClient.invalidateQueries({ queryKey: ['session'] }),
    )
  const items = [
    { id: 'settings', name: 'Settings', act: () => void navigate({ to: '/settings' }) },
    { id: 'sign-out', name: 'Sign out', act: () => void leave() },
  ]
  return (
    <MenuButton label={`Account: ${actor.name}`} items={items}>
      <span className={styles.name}>{actor.name}</span> <ChevronDown size={12} aria-hidden="true" />
    </MenuButton>
  )
}
