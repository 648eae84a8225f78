// What is around every screen: the rail, or the bar at the bottom of a narrow window, and the line on top.
import { Link, Outlet, useNavigate } from '@tanstack/react-router'
import { Ellipsis, PanelLeft } from 'lucide-react'
import { useEffect, useState } from 'react'
import { startLive, toggleLive } from '../live/live.ts'
import { startRefreshing } from '../live/refresh.ts'
import { nextTheme, setPreferences, usePreferences } from '../look/preferences.ts'
import { onDemand } from '../parts/on-demand.tsx'
import styles from './frame.module.css'
import { useKeys } from './keys.ts'
import { usePendingInputs } from './pending-inputs.ts'
import { SCREENS, type Screen } from './screens.ts'
import { TopBar } from './top-bar.tsx'

const Palette = onDemand(async () => (await import('./palette.tsx')).Palette)
const Shortcuts = onDemand(async () => (await import('./shortcuts.tsx')).Shortcuts)

export function Frame() {
  const { theme, rail } = usePreferences()
  const [open, setOpen] = useState<'palette' | 'shortcuts' | undefined>()
  const navigate = useNavigate()
  useEffect(() => {
    startLive()
    return startRefreshing()
  }, [])
  const go = Object.fromEntries(SCREENS.map(({ key, path }) => [`g ${key}`, () => void navigate({ to: path })]))
  useKeys({
    ...go,
    '?': () => setOpen('shortcuts'),
    '/': () => setOpen('palette'),
    'Mod+k': () => setOpen(open === 'palette' ? undefined : 'palette'),
    t: () => setPreferences({ theme: nextTheme(theme) }),
    l: toggleLive,
  })
  return (
    <div className={styles.frame} data-rail={rail}>
      <a className={styles.skip} href="#main">
        Skip to the content
      </a>
      <TopBar onFind={() => setOpen('palette')} />
      <Rail narrow={rail === 'narrow'} />
      <main className={styles.main} id="main" tabIndex={-1}>
        <Outlet />
      </main>
      <BottomBar />
      <Palette open={open === 'palette'} onClose={() => setOpen(undefined)} onShortcuts={() => setOpen('shortcuts')} />
      <Shortcuts open={open === 'shortcuts'} onClose={() => setOpen(undefined)} />
    </div>
  )
}

function Rail({ narrow }: { narrow: boolean }) {
  return (
    <nav className={styles.rail} aria-label="Screens">
      {SCREENS.map((screen) => (
        <ScreenLink key={screen.path} screen={screen} />
      ))}
      <button
        type="button"
        className={styles.fold}
        aria-expanded={!narrow}
        onClick={() => setPreferences({ rail: narrow ? 'wide' : 'narrow' })}
      >
        <PanelLeft size={15} aria-hidden="true" />
        <span>{narrow ? 'Show names' : 'Hide names'}</span>
      </button>
    </nav>
  )
}

function ScreenLink({ screen: { path, name, icon: Icon } }: { screen: Screen }) {
  const pending = usePendingInputs()
  return (
    <Link to={path} activeOptions={{ exact: path === '/', includeSearch: false }} title={name}>
      <Icon size={15} strokeWidth={1.75} aria-hidden="true" />
      <span>{name}</span>
      {path === '/inbox' && pending.count > 0 && (
        <b>
          {pending.count}
          {pending.hasMore && '+'}
          <span className={styles.hidden}> pending</span>
        </b>
      )}
    </Link>
  )
}

function BottomBar() {
  const [more, setMore] = useState(false)
  const shown = SCREENS.filter(({ isOnBar }) => isOnBar)
  const rest = SCREENS.filter(({ isOnBar }) => !isOnBar)
  return (
    <nav className={styles.bottom} aria-label="Screens, short">
      {more && (
        // A click on a link bubbles here and closes the list.
        // biome-ignore lint/a11y/useKeyWithClickEvents: links are clicked by key too.
        // biome-ignore lint/a11y/noStaticElementInteractions: see above.
        <div className={styles.more} onClick={() => setMore(false)}>
          {rest.map((screen) => (
            <ScreenLink key={screen.path} screen={screen} />
          ))}
        </div>
      )}
      {shown.map((screen) => (
        <ScreenLink key={screen.path} screen={screen} />
      ))}
      <button type="button" aria-expanded={more} onClick={() => setMore(!more)}>
        <Ellipsis size={15} aria-hidden="true" />
        <span>More</span>
      </button>
    </nav>
  )
}
