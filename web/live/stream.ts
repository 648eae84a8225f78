// The stream of the project's events, which never ends: after a break it goes on behind the last event that was seen.
import { answeredError, RunyardError } from '#sdk/error.ts'
import { readSse } from '#sdk/sse.ts'

/** What the pages of this browser need to know of an event. Its data they read when they show it. */
export type Heard = {
  type: string
  run_id: string | null
  agent_id: string | null
  resource_type: string | null
  resource_id: string | null
}
export type StreamState = 'live' | 'reconnecting' | 'refused'
export type StreamNews = { kind: 'state'; state: StreamState } | { kind: 'events'; events: Heard[] }

/** The server sends a comment every 15 s. */
const SILENCE_MS_MAX = 40_000
const GATHER_MS = 250
const PAUSE_MS = 1_000
const PAUSE_MS_MAX = 15_000
const GATHERED_MAX = 1_000

type Source = { url: string; project: string | undefined }

export async function follow({ url, project }: Source, tell: (news: StreamNews) => void, signal: AbortSignal) {
  let after: string | undefined
  let pauseMs = PAUSE_MS
  const gather = gatherer(tell)
  while (!signal.aborted) {
    try {
      for await (const message of connect({ url, project, after }, signal, () =>
        tell({ kind: 'state', state: 'live' }),
      )) {
        pauseMs = PAUSE_MS
        if (message.id) after = message.id
        gather(heardOf(message.data))
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof RunyardError && (error.status === 401 || error.status === 403))
        return tell({ kind: 'state', state: 'refused' })
      // A cursor that is refused would be refused for ever.
      if (error instanceof RunyardError && error.code === 'invalid_cursor') after = undefined
    }
    tell({ kind: 'state', state: 'reconnecting' })
    await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + Math.random() / 2)))
    pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)
  }
}

async function* connect(
  { url, project, after }: Source & { after: string | undefined },
  signal: AbortSignal,
  onOpen: () => void,
) {
  const silence = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const heard = () => {
    clearTimeout(timer)
    timer = setTimeout(() => silence.abort(), SILENCE_MS_MAX)
  }
  heard()
  try {
    const response = await fetch(url, {
      headers: {
        accept: 'text/event-stream',
        ...(project !== undefined && { 'runyard-project': project }),
        ...(after !== undefined && { 'last-event-id': after }),
      },
      signal: AbortSignal.any([signal, silence.signal]),
      redirect: 'error',
    })
    if (!response.ok || !response.body) throw await answeredError(response)
    onOpen()
    yield* readSse(response.body, heard)
  } finally {
    clearTimeout(timer)
  }
}

function heardOf(data: string): Heard {
  const { type, run_id, agent_id, resource_type, resource_id } = JSON.parse(data) as Heard
  return { type, run_id, agent_id, resource_type, resource_id }
}

/** A burst of events is told at once: a page that is told of each would do nothing else. */
function gatherer(tell: (news: StreamNews) => void) {
  let waiting: Heard[] = []
  return (heard: Heard) => {
    if (waiting.length === 0)
      setTimeout(() => {
        tell({ kind: 'events', events: waiting })
        waiting = []
      }, GATHER_MS)
    if (waiting.length < GATHERED_MAX) waiting.push(heard)
  }
}
