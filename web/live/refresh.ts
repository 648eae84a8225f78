// Which answers an event makes old. They are asked for again at most every two seconds, and only those on the page.
import { FAILURE_EVENTS } from '#core/run.ts'
import { queryClient } from '../api/query-client.ts'
import { isPaused, onEvents } from './live.ts'
import type { Heard } from './stream.ts'

const EVERY_MS = 2_000

/** First words of query keys, by the kind of thing that an event is about. */
function touchedBy({ type, resource_type }: Heard): string[] {
  const kind = resource_type ?? type.split('.', 1)[0] ?? ''
  if (type.startsWith('input.')) return ['inputs', 'run', 'stats']
  if (kind === 'agent' || type.startsWith('policy.')) return ['agents', 'agent', 'run']
  if (kind === 'job') return ['jobs', 'job']
  if (kind === 'operation') return ['operations']
  if (type.startsWith('webhook.')) return ['webhooks', 'deliveries']
  if (type.startsWith('alert')) return ['alerts', 'alert rules', 'alert channels']
  if (type.startsWith('usage.') || type.startsWith('agent.')) return ['usage', 'agent']
  return []
}

/** Only these change what a list of runs shows. */
const MOVES = /^run\.(?!annotated|debug_changed|child_spawned)/

export function startRefreshing(): () => void {
  const kinds = new Set<string>()
  const runs = new Set<string>()
  let timer: ReturnType<typeof setTimeout> | undefined

  const refresh = () => {
    timer = undefined
    const [touched, moved] = [new Set(kinds), new Set(runs)]
    kinds.clear()
    runs.clear()
    if (isPaused()) return
    void queryClient.invalidateQueries({
      predicate: ({ queryKey: [first, id] }) =>
        touched.has(String(first)) || (first === 'run' && moved.has(String(id))),
    })
  }
  const forget = onEvents((events) => {
    for (const event of events) {
      for (const kind of touchedBy(event)) if (kind !== 'run') kinds.add(kind)
      if (event.run_id) runs.add(event.run_id)
      if (MOVES.test(event.type)) for (const kind of ['runs', 'stats']) kinds.add(kind)
      if (FAILURE_EVENTS.includes(event.type)) kinds.add('failures')
      kinds.add('events')
    }
    timer ??= setTimeout(refresh, EVERY_MS)
  })
  return () => {
    forget()
    clearTimeout(timer)
  }
}
