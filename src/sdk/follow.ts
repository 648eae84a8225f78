// Follows a run's log over its event stream. The sequence of the last delivered event is the only cursor: a
// broken connection is reopened after it, so nothing is lost and nothing is delivered twice.
import type { Event } from '#contract/event.ts'
import { streamRun } from '#contract/events.ts'
import type { Output } from '#contract/route.ts'
import { getRun } from '#contract/runs/runs.ts'
import { type Connection, callRoute, send, unanswered } from './call.ts'
import { answeredError, isHopeless, RunyardError } from './error.ts'
import { requestOf } from './request.ts'
import { backOffMs, sleep } from './sleep.ts'
import { readSse } from './sse.ts'

/**
 * Which events of a run are followed. A follower resumes where it was when its connection is lost, and fails when
 * the server could not be reached for 5 minutes.
 */
export type FollowOptions = {
  /** Events after this sequence; defaults to the beginning. */
  afterSequence?: number
  /** Whether to include stream chunks and debug lines; defaults to true. */
  deltas?: boolean
  /** Events of these types only. */
  types?: readonly string[]
  signal?: AbortSignal
}

/** The server sends a comment every 15 s: silence for this long means that it is gone, whatever the network says. */
const SILENT_MS_MAX = 45_000
/** How long a server may be unreachable before the follower fails. */
const AWAY_MS_MAX = 5 * 60_000

type Place = {
  sequence: number
  options: FollowOptions
  /** Retries since the server last sent anything, and since when it has been unreachable. */
  failures: number
  awaySinceMs: number | undefined
}

export async function* followRun(
  connection: Connection,
  runId: string,
  options: FollowOptions = {},
): AsyncGenerator<Event, void, undefined> {
  for await (const { event } of followRunTexts(connection, runId, options)) yield event
}

/** An event, and the text that it came as, whose numbers have all their digits. */
export type FollowedEvent = { event: Event; text: string }

export async function* followRunTexts(
  connection: Connection,
  runId: string,
  options: FollowOptions = {},
): AsyncGenerator<FollowedEvent, void, undefined> {
  const place: Place = { sequence: options.afterSequence ?? 0, options, failures: 0, awaySinceMs: undefined }
  let over = false
  for (;;) {
    const before = place.sequence
    try {
      yield* readOnce(connection, runId, place)
      // A stream ends after the run's last event, but also when its node shuts down. The run's state decides which it
      // was.
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

/** Waits before the next retry; throws errors that no retry would change. */
async function waitOut(error: unknown, place: Place): Promise<void> {
  if (!(error instanceof RunyardError) || isHopeless(error)) throw error
  place.awaySinceMs ??= performance.now()
  if (performance.now() - place.awaySinceMs > AWAY_MS_MAX) throw error
  await sleep(Math.max(backOffMs(++place.failures), error.retryAfterMs ?? 0), place.options.signal)
}

/** Delivers the events of one connection. `place` advances before an event is delivered. */
async function* readOnce(connection: Connection, runId: string, place: Place): AsyncGenerator<FollowedEvent> {
  const hangUp = new AbortController()
  let timer = setTimeout(() => hangUp.abort(), SILENT_MS_MAX)
  const alive = () => {
    clearTimeout(timer)
    timer = setTimeout(() => hangUp.abort(), SILENT_MS_MAX)
  }
  const { signal = hangUp.signal, deltas, types } = place.options
  const request = requestOf(streamRun, {
    run_id: runId,
    ...(deltas !== undefined && { deltas }),
    ...(types !== undefined && { type: [...types] }),
  })
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
      // The consumer may take as long as it likes; only the server's silence counts.
      clearTimeout(timer)
      yield { event, text: message.data }
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
