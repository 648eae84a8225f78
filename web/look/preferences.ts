// What a person set for this browser: theme and how times are told. Kept in localStorage, shared by all tabs.
import { useSyncExternalStore } from 'react'

const THEMES = ['system', 'light', 'dark'] as const
const CLOCKS = ['relative', 'local', 'utc'] as const
export type Theme = (typeof THEMES)[number]
export type Clock = (typeof CLOCKS)[number]
export type Preferences = { theme: Theme; clock: Clock; rail: 'wide' | 'narrow' }

const NAME = 'runyard.preferences'
const DEFAULTS: Preferences = { theme: 'system', clock: 'relative', rail: 'wide' }

let kept = read()
const listeners = new Set<() => void>()

function read(): Preferences {
  try {
    const found = JSON.parse(localStorage.getItem(NAME) ?? '{}') as Partial<Preferences>
    return {
      theme: THEMES.find((it) => it === found.theme) ?? DEFAULTS.theme,
      clock: CLOCKS.find((it) => it === found.clock) ?? DEFAULTS.clock,
      rail: found.rail === 'narrow' ? 'narrow' : 'wide',
    }
  } catch {
    // A browser that keeps nothing has the defaults.
    return DEFAULTS
  }
}

function show({ theme }: Preferences): void {
  if (theme === 'system') document.documentElement.removeAttribute('data-theme')
  else document.documentElement.setAttribute('data-theme', theme)
}

export function setPreferences(change: Partial<Preferences>): void {
  kept = { ...kept, ...change }
  try {
    localStorage.setItem(NAME, JSON.stringify(kept))
  } catch {
    // It then holds for this tab.
  }
  tell()
}

function tell(): void {
  show(kept)
  for (const listener of listeners) listener()
}

export function startPreferences(): void {
  show(kept)
  window.addEventListener('storage', ({ key }) => {
    if (key !== NAME) return
    kept = read()
    tell()
  })
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export const usePreferences = (): Preferences => useSyncExternalStore(subscribe, () => kept)

export const nextTheme = (theme: Theme): Theme => THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!
export const nextClock = (clock: Clock): Clock => CLOCKS[(CLOCKS.indexOf(clock) + 1) % CLOCKS.length]!
