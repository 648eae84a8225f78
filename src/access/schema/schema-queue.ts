// The queue of checks that wait for a thread. Projects take turns (round robin), within limits of number, size and
// time.
import { refuse } from '#core/error.ts'
import type { SchemaAnswer, SchemaTask } from './schema-thread.ts'

export type Waiting = {
  projectId: string
  task: SchemaTask
  resolve: (answer: SchemaAnswer | 'too_long') => void
  reject: (error: unknown) => void
}

/** Maximum wait for a turn: the caller may hold a lock meanwhile. */
const WAIT_MS_MAX = 10_000
/** Limits per project: waiting checks, and characters to check. */
const WAITING_MAX = 2_000
const CHARACTERS_MAX = 32 * 1024 * 1024
/** Limit of characters of all waiting checks. */
const ALL_CHARACTERS_MAX = 256 * 1024 * 1024

export type SchemaQueue = {
  /** Throws when the queue is full. */
  put: (one: Waiting) => void
  /** Whether a project without a check in progress is waiting. */
  hasTurn: (busy: ReadonlySet<string>) => boolean
  /** The first check of the project whose turn it is; that project goes to the end of the line. */
  take: (busy: ReadonlySet<string>) => Waiting | undefined
  rejectAll: (error: unknown) => void
}

type Line = { items: { one: Waiting; timer: NodeJS.Timeout }[]; characters: number }

export function schemaQueue(): SchemaQueue {
  /** By project, in order of turns. */
  const lines = new Map<string, Line>()
  let characters = 0

  function remove(projectId: string, index: number): Waiting {
    const line = lines.get(projectId)!
    const [{ one, timer } = line.items[0]!] = line.items.splice(index, 1)
    clearTimeout(timer)
    line.characters -= sizeOf(one.task)
    characters -= sizeOf(one.task)
    if (line.items.length === 0) lines.delete(projectId)
    return one
  }

  /** Its turn did not come in time. */
  function leave(one: Waiting): void {
    const index = lines.get(one.projectId)?.items.findIndex((it) => it.one === one) ?? -1
    if (index >= 0) remove(one.projectId, index).reject(full())
  }

  const whoseTurn = (busy: ReadonlySet<string>) => [...lines.keys()].find((projectId) => !busy.has(projectId))

  return {
    put(one) {
      const line = lines.get(one.projectId) ?? { items: [], characters: 0 }
      const size = sizeOf(one.task)
      const isFull = line.items.length >= WAITING_MAX || line.characters + size > CHARACTERS_MAX
      if (isFull || characters + size > ALL_CHARACTERS_MAX) throw full()
      line.items.push({ one, timer: setTimeout(leave, WAIT_MS_MAX, one) })
      line.characters += size
      characters += size
      lines.set(one.projectId, line)
    },
    hasTurn: (busy) => whoseTurn(busy) !== undefined,
    take(busy) {
      const projectId = whoseTurn(busy)
      if (projectId === undefined) return undefined
      const one = remove(projectId, 0)
      const line = lines.get(projectId)
      lines.delete(projectId)
      if (line) lines.set(projectId, line)
      return one
    },
    rejectAll(error) {
      for (const [projectId, { items }] of [...lines])
        for (let left = items.length; left > 0; left--) remove(projectId, 0).reject(error)
    },
  }
}

const full = () => refuse('overloaded', { what: 'The queue of schema checks', retryAfterMs: 1000 })

const sizeOf = ({ schemaText, value }: SchemaTask): number => schemaText.length + (value?.text?.length ?? 0)
