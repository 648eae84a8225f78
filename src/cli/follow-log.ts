// Follows the log of the project. The id of the last event is the cursor: a broken connection is opened again after it.
import type { Event } from '#contract/event.ts'
import { streamEvents } from '#contract/events.ts'
import { send, unanswered } from '#sdk/call.ts'
import { answeredError, isHopeless, RunyardError } from '#sdk/error.ts'
import { requestOf } from '#sdk/request.ts'
import { backOffMs, sleep } from '#sdk/sleep.ts'
import { readSse } from '#sdk/sse.ts'
import type { Answer, Cli } from './cli.ts'
import type { Values } from './command.ts'

/** A comment comes every 15 s: silence for this long means that the server is gone. */
const SILENT_MS_MAX = 45_000
const AWAY_MS_MAX = 5 * 60_000

export async function* followLog(cli: Cli, input: Values): AsyncGenerator<Answer<Event>> {
  let lastId: string | undefined
  let failures = 0
  let awaySinceMs: number | undefined
  const heard = () => {
    failures = 0
    awaySinceMs = undefined
  }
  for (;;) {
    try {
      for await (const message of readOnce(cli, input, { lastId, heard })) {
        lastId = message.id ?? lastId
        yield { value: JSON.parse(message.data) as Event, text: message.data }
      }
    } catch (error) {
      cli.signal.throwIfAborted()
      awaySinceMs ??= performance.now()
      if (isHopeless(error) || performance.now() - awaySinceMs > AWAY_MS_MAX) throw error
      if (failures++ === 0) cli.terminal.say('The connection was lost; trying again …')
    }
    await sleep(backOffMs(failures), cli.signal)
  }
}

type Place = {
  lastId: string | undefined
  /** Called whenever the server says something: a quiet project is no server that is away. */
  heard: () => void
}

async function* readOnce(cli: Cli, input: Values, { lastId, heard }: Place) {
  const hangUp = new AbortController()
  let timer = setTimeout(() => hangUp.abort(), SILENT_MS_MAX)
  const alive = () => {
    clearTimeout(timer)
    timer = setTimeout(() => hangUp.abort(), SILENT_MS_MAX)
  }
  const request = requestOf(streamEvents, input)
  try {
    const response = await send(cli.connection, {
      request,
      signal: AbortSignal.any([cli.signal, hangUp.signal]),
      headers: { accept: 'text/event-stream', ...(lastId !== undefined && { 'last-event-id': lastId }) },
    })
    if (!response.ok || !response.body) throw await answeredError(response)
    heard()
    if (lastId === undefined) cli.terminal.say('Following events, until Ctrl-C.')
    yield* readSse(response.body, alive)
  } catch (error) {
    if (error instanceof RunyardError) throw error
    throw unanswered(error, hangUp.signal.aborted, `${request.method} ${request.target}`)
  } finally {
    clearTimeout(timer)
  }
}
