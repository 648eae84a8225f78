// Follows a run's log over its event stream. The sequence of the last event handed out is the only bookmark: a
// connection that breaks is opened again after it, so nothing is lost and nothing comes twice.
import type { Event } from '#contract/event.ts'
import { streamRun } from '#contract/events.ts'
import type { Output } from '#contract/route.ts'
import { getRun } from '#contract/runs/runs.ts'
import { type Connection, callRoute, send, unanswered } from './call.ts'
import { answeredError, RunyardError } from './error.ts'
import { requestOf } from './request.ts'
import { backOffMs, sleep } from './sleep.ts'
import { readSse } from './sse.ts'

export type FollowOptions = {
  /** Events after this sequence; from the beginning when left out. */
  afterSequence?: number
  /** Whether stream chunks and debug lines come too; they do when left out. */
  deltas?: boolean
  signal?: AbortSignal
}

/** The server sends a comment every 15 s: who is silent for so long is gone, whatever the network says. */
const SILENT_MS_MAX = 45_000
/** How long a server may be away before the follower gives up. */
const AWAY_MS_MAX = 5 * 60_000

type Place = {
  sequence: number
  options: FollowOptions
  /** Tries since the server was heard of last, and since when it is away. */
  failures: number
  awaySinceMs: number | undefined
}

export async function* followRun(
  connection: Connection,
  runId: string,
  options: FollowOptions = {},
): AsyncGenerator<Event, void, undefined> {
  const place: Place = { sequence: options.afterSequence ?? 0, options, failures: 0, awaySinceMs: undefined }
  let over = false
  for (;;) {
    const before = place.sequence
    try {
      yield* readOnce(connection, runId, place)
      // A stream ends after the run's last event, but also when its node shuts down. The run itself knows.
      if (over && place.sequence === before) return
      const run = await readRun(connection, runId, options.signal)
      over = run.finished_at !== null
      if (over && place.sequence >= run.last_sequence) return
      if (!over && place.sequence === before) await sleep(backOffMs(1), options.signal)
    } catch (error) {
      options.signal?.throwIfAborted()
      await waitOut(error, place)
    }
  }
}

/** Pauses before the next try; throws what another try would not change. */
async function waitOut(error: unknown, place: Place): Promise<void> {
  if (!(error instanceof RunyardError) || isHopeless(error)) throw error
  place.awaySinceMs ??= performance.now()
  if (performance.now() - place.awaySinceMs > AWAY_MS_MAX) throw error
  await sleep(Math.max(backOffMs(++place.failures), error.retryAfterMs ?? 0), place.options.signal)
}

/** What one connection delivers. `place` is moved on before an event is handed out. */
async function* readOnce(connection: Connection, runId: string, place: Place): AsyncGenerator<Event> {
  const hangUp = new AbortController()
  let timer = setTimeout(() => hangUp.abort(), SILENT_MS_MAX)
  const alive = () => {
    clearTimeout(timer)
    timer = setTimeout(() => hangUp.abort(), SILENT_MS_MAX)
  }
  const { signal = hangUp.signal, deltas } = place.options
  const request = requestOf(streamRun, { run_id: runId, ...(deltas !== undefined && { deltas }) })
  try {
    const response = await send(connection, {
      request,
      signal: AbortSignal.any([signal, hangUp.signal]),
      headers: { accept: 'text/event-stream', 'last-event-id': String(place.sequence) },
    })
    if (!response.ok || !response.body) throw await answeredError(response)
    place.failures = 0
    place.awaySinceMs = undefined
    for await (const message of readSse(response.body, alive)) {
      const event = JSON.parse(message.data) as Event
      if (event.sequence === null || event.sequence <= place.sequence) continue
      place.sequence = event.sequence
      // What the consumer does with it takes as long as it takes; the silence of the server is another matter.
      clearTimeout(timer)
      yield event
      alive()
    }
  } catch (error) {
    if (error instanceof RunyardError) throw error
    throw unanswered(error, hangUp.signal.aborted, `${request.method} ${request.target}`)
  } finally {
    clearTimeout(timer)
  }
}

const readRun = (connection: Connection, runId: string, signal: AbortSignal | undefined) =>
  callRoute(connection, getRun, {
    input: { run_id: runId, include: [] },
    options: signal ? { signal } : {},
  }) as Promise<Output<typeof getRun>>

/** Trying again would give the same answer. */
const isHopeless = ({ status }: RunyardError): boolean =>
  status >= 400 && status < 500 && status !== 408 && status !== 429
