// What the steps of a run have returned, kept as values of the run: read once when an attempt first asks, and written
// after each step. A result that one value cannot hold is kept in parts.
import { jsonText } from '../json.ts'
import { slicesOf } from '../text-slices.ts'
import type { Attempt } from '../worker/attempt.ts'
import { AttemptFailed } from '../worker/lease.ts'

export type Kept = { result: unknown }

export type Memory = {
  /** Undefined when no attempt has finished the step. */
  read: (step: string) => Promise<Kept | undefined>
  /** Keeps a result, and returns it as the next attempt will read it. */
  keep: (step: string, result: unknown) => Promise<unknown>
  /** Names of the steps that earlier attempts, or this one before a wait, have finished. */
  finished: () => Promise<string[]>
}

/** As much as the result of a run. */
const RESULT_BYTES_MAX = 1024 * 1024
/** A value holds 64 KiB of JSON; a character of a part takes at most three bytes of them. */
const PART_LENGTH_MAX = 20_000
const PAGE = 200
/** Far more than a run should have: a list without an end must not exhaust the memory. */
const VALUES_MAX = 20_000

type Stored = { text: string } | { parts: number }

const STEP = 'step:'
const keyOf = (step: string): string => `${STEP}${step}`
const partKeyOf = (step: string, part: number): string => `part:${part}:${step}`

export function makeMemory(attempt: Pick<Attempt, 'listState' | 'setState'>): Memory {
  let loading: Promise<Map<string, unknown>> | undefined
  const values = () => (loading ??= readValues(attempt))

  return {
    async read(step) {
      const found = (await values()).get(keyOf(step)) as Stored | undefined
      if (found === undefined) return undefined
      const text = 'text' in found ? found.text : partsOf(await values(), step, found.parts)
      return { result: text === '' ? undefined : JSON.parse(text) }
    },

    async keep(step, result) {
      const text = jsonText(result, `The result of step ${step}`) ?? ''
      const bytes = new TextEncoder().encode(text).length
      if (bytes > RESULT_BYTES_MAX) throw tooLarge(step, bytes)
      const parts = text.length > PART_LENGTH_MAX ? [...slicesOf(text, PART_LENGTH_MAX)] : []
      // The parts first: a step counts as finished once its own value is there.
      for (const [index, part] of parts.entries()) {
        await attempt.setState({ key: partKeyOf(step, index), value: part })
      }
      const value: Stored = parts.length > 0 ? { parts: parts.length } : { text }
      await attempt.setState({ key: keyOf(step), value })
      return text === '' ? undefined : JSON.parse(text)
    },

    async finished() {
      return [...(await values()).keys()].filter((key) => key.startsWith(STEP)).map((key) => key.slice(STEP.length))
    },
  }
}

async function readValues(attempt: Pick<Attempt, 'listState'>): Promise<Map<string, unknown>> {
  const values = new Map<string, unknown>()
  let cursor: string | null = null
  do {
    const page: Awaited<ReturnType<Attempt['listState']>> = await attempt.listState({
      limit: PAGE,
      ...(cursor !== null && { cursor }),
    })
    for (const { key, value } of page.data) values.set(key, value)
    cursor = page.next_cursor
    if (values.size > VALUES_MAX) throw tooMany()
  } while (cursor !== null)
  return values
}

function partsOf(values: ReadonlyMap<string, unknown>, step: string, count: number): string {
  const parts = Array.from({ length: count }, (_, index) => values.get(partKeyOf(step, index)))
  if (!parts.every((part) => typeof part === 'string'))
    throw new Error(`A part of the result of step ${step} is missing`)
  return parts.join('')
}

const tooLarge = (step: string, bytes: number): AttemptFailed =>
  new AttemptFailed(
    `The result of step ${step} has ${bytes} bytes of JSON, and at most ${RESULT_BYTES_MAX} are kept. ` +
      'Store it elsewhere, and return where it is.',
    { code: 'step_result_too_large', retryable: false },
  )

const tooMany = (): AttemptFailed =>
  new AttemptFailed(`The run has more than ${VALUES_MAX} values. Hand parts of its work to child runs.`, {
    code: 'too_many_steps',
    retryable: false,
  })
