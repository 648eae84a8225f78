// Which methods a path supports: for OPTIONS, and for 405 with its Allow. Used only when no route matched.

type Entry = { pattern: RegExp; methods: Set<string> }

export function pathBook() {
  const entries = new Map<string, Entry>()
  return {
    add(method: string | string[], url: string): void {
      const entry = entries.get(url) ?? { pattern: patternOf(url), methods: new Set(['OPTIONS']) }
      for (const one of [method].flat()) entry.methods.add(one)
      entries.set(url, entry)
    },
    /** Sorted; empty for an unknown path. */
    methodsOf(path: string): string[] {
      const found = [...entries.values()].filter(({ pattern }) => pattern.test(path))
      return [...new Set(found.flatMap(({ methods }) => [...methods]))].sort()
    },
  }
}

function patternOf(url: string): RegExp {
  const parts = url
    .split('/')
    .map((part) => (part.startsWith(':') ? '[^/]+' : part === '*' ? '.*' : RegExp.escape(part)))
  return new RegExp(`^${parts.join('/')}$`)
}
