// Groups of failures that a person marked as known, in this browser.
import { useState } from 'react'

const NAME = 'runyard.known-failures'
/** The latest are kept. */
const KNOWN_MAX = 500

function read(): string[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(NAME) ?? '[]')
    return Array.isArray(found) ? found.filter((it) => typeof it === 'string') : []
  } catch {
    // A browser that keeps nothing knows none.
    return []
  }
}

export function useKnown(): { known: ReadonlySet<string>; toggle: (group: string) => void } {
  const [known, setKnown] = useState<ReadonlySet<string>>(() => new Set(read()))
  const toggle = (group: string) => {
    const rest = read().filter((it) => it !== group)
    const next = known.has(group) ? rest : [...rest, group].slice(-KNOWN_MAX)
    setKnown(new Set(next))
    try {
      localStorage.setItem(NAME, JSON.stringify(next))
    } catch {
      // It then holds for this tab.
    }
  }
  return { known, toggle }
}
