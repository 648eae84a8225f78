// How the waits of a run begin, rest and end.
import { wireFields } from '../job/camel-case.ts'
import type { Job } from '../job/job.ts'
import { checkedHere, checkedValue } from '../job/value-schema.ts'
import type { Attempt } from '../worker/attempt.ts'
import { AttemptFailed } from '../worker/lease.ts'
import { madeName, type Names } from './names.ts'
import {
  type Child,
  ChildFailed,
  type ChildOptions,
  type Item,
  type ItemOutcome,
  type TogetherOptions,
  WAITABLE,
  type Wait,
  type Waitable,
  type Waits,
  WaitTimedOut,
} from './wait.ts'

type Waiting = {
  attempt: Pick<Attempt, 'beginWait' | 'spawn' | 'readChild'>
  signal: AbortSignal
  names: Names
}

const ITEMS_MAX = 100
const SPAWNS_AT_ONCE = 10
const SECS_MAX = 366 * 86_400

export function makeWaits(waiting: Waiting): Waits {
  const { attempt, names } = waiting
  return {
    async sleep(name, howLong) {
      names.take(name)
      await begin(waiting, { key: name, ...sleepOf(howLong) })
    },

    waitFor(eventKey, { name = madeName(eventKey), timeoutSecs, payload } = {}) {
      names.take(name)
      const waitable: Waitable<unknown> = {
        name,
        isEvent: true,
        timeoutSecs,
        begin: async () => ({ event_key: eventKey }),
        valueOf: async (done) => checkedValue(checkedHere(payload), done.payload ?? null, 'event'),
      }
      return waitOf(waiting, waitable) as never
    },

    child(name: string, job: Job | string, payload: unknown, options: ChildOptions = {}): Child<never> {
      names.take(name)
      let spawned: Promise<string> | undefined
      const start = () => (spawned ??= spawnChild(attempt, { name, job, payload, options }))
      const waitable: Waitable<never> = {
        name,
        isEvent: false,
        timeoutSecs: undefined,
        begin: async () => ({ run_id: await start() }),
        valueOf: (done) => resultOf(done, attempt) as Promise<never>,
      }
      return Object.assign(waitOf(waiting, waitable), { start })
    },

    allSettled: (async (list, options) => settle(waiting, list, options)) as Waits['allSettled'],

    all: (async (list, options) => {
      const settled = await settle(waiting, list, options)
      return settled.map((it) => {
        if (it.status === 'rejected') throw it.reason
        return it.value
      })
    }) as Waits['all'],

    async any(list, options = {}) {
      if (list.length === 0 || list.length > ITEMS_MAX) throw new RangeError(`any takes 1 to ${ITEMS_MAX} waits`)
      requireOneTimeout(list)
      const key = options.name ?? keyOf(list)
      names.take(key)
      const { winner, items } = await together(waiting, list, { ...options, key, mode: 'any' })
      if (winner === null) throw new WaitTimedOut(key)
      return { index: winner, value: await valueOfItem(list[winner]![WAITABLE], items[winner], key) }
    },
  }
}

/** Throws when the run rests now: its lease is gone, and the code comes by again. */
async function begin({ attempt, signal }: Waiting, input: Parameters<Attempt['beginWait']>[0]) {
  signal.throwIfAborted()
  const outcome = await attempt.beginWait(input)
  signal.throwIfAborted()
  return outcome
}

type Together = TogetherOptions & { key: string; mode: 'all' | 'any' }

async function together(waiting: Waiting, waits: readonly Wait<unknown>[], { key, mode, timeoutSecs }: Together) {
  const parts = waits.map((wait) => wait[WAITABLE])
  const items: Item[] = []
  for (let from = 0; from < parts.length; from += SPAWNS_AT_ONCE) {
    items.push(...(await Promise.all(parts.slice(from, from + SPAWNS_AT_ONCE).map((part) => part.begin()))))
  }
  // Children end by themselves; an event may never come, and has the server's own bound unless told otherwise.
  const own = parts.length === 1 ? parts[0]!.timeoutSecs : undefined
  const secs = timeoutSecs ?? own ?? (parts.some((part) => part.isEvent) ? undefined : SECS_MAX)
  return begin(waiting, {
    key,
    mode,
    for: items,
    on_timeout: 'continue',
    ...(secs !== undefined && { timeout_secs: secs }),
  })
}

/** A wait for several ends once: the limit of one of them could only be ignored. */
function requireOneTimeout(list: readonly Wait<unknown>[]): void {
  if (list.length < 2) return
  const limited = list.find((wait) => wait[WAITABLE].timeoutSecs !== undefined)
  if (!limited) return
  throw new AttemptFailed(
    `Give timeoutSecs to all, allSettled or any, and not to waitFor of ${limited[WAITABLE].name} inside of it`,
    { code: 'invalid_wait', retryable: false },
  )
}

function waitOf<T>(waiting: Waiting, waitable: Waitable<T>): Wait<T> {
  const { name: key } = waitable
  const alone = async (): Promise<T> => {
    const { items } = await together(waiting, [wait], { key, mode: 'all' })
    return valueOfItem(waitable, items[0], key)
  }
  let value: Promise<T> | undefined
  const wait: Wait<T> = {
    [WAITABLE]: waitable,
    // biome-ignore lint/suspicious/noThenProperty: it begins when it is awaited, and not when it is part of a list.
    then(onValue, onError) {
      value ??= alone()
      return value.then(onValue, onError)
    },
  }
  return wait
}

/** As many at a time as one wait can hold. */
async function settle(
  waiting: Waiting,
  list: readonly Wait<unknown>[],
  { name, ...options }: TogetherOptions = {},
): Promise<PromiseSettledResult<unknown>[]> {
  if (list.length === 0) return []
  requireOneTimeout(list)
  const key = name ?? keyOf(list)
  waiting.names.take(key)
  const settled: PromiseSettledResult<unknown>[] = []
  for (let from = 0; from < list.length; from += ITEMS_MAX) {
    const some = list.slice(from, from + ITEMS_MAX)
    const partKey = from === 0 ? key : madeName(`${key} from ${from}`)
    const { items } = await together(waiting, some, { ...options, key: partKey, mode: 'all' })
    settled.push(
      ...(await Promise.allSettled(some.map((wait, index) => valueOfItem(wait[WAITABLE], items[index], key)))),
    )
  }
  return settled
}

const keyOf = (list: readonly Wait<unknown>[]): string =>
  madeName(`${list[0]?.[WAITABLE].name}${list.length > 1 ? ` and ${list.length - 1} more` : ' alone'}`)

async function valueOfItem<T>(waitable: Waitable<T>, item: ItemOutcome | undefined, key: string): Promise<T> {
  if (!item?.done) throw new WaitTimedOut(key)
  return waitable.valueOf(item)
}

function sleepOf(howLong: number | { until: Date | string }): { sleep_secs: number } | { until: string } {
  if (typeof howLong === 'number') return { sleep_secs: howLong }
  return { until: new Date(howLong.until).toISOString() }
}

type Spawning = { name: string; job: Job | string; payload: unknown; options: ChildOptions }

async function spawnChild(attempt: Pick<Attempt, 'spawn'>, { name, job, payload, options }: Spawning): Promise<string> {
  const own = typeof job === 'string' ? {} : await job.definition.childOf(payload)
  const slug = typeof job === 'string' ? job : job.name
  const child = await attempt.spawn({ ...own, ...wireFields(options), job: slug, payload, key: name })
  return child.id
}

async function resultOf(done: ItemOutcome, attempt: Pick<Attempt, 'readChild'>): Promise<unknown> {
  const { run_id: runId = '', status, error = null, result, result_omitted } = done
  if (status !== 'completed') throw new ChildFailed({ runId, status: status ?? 'no longer kept', error })
  // A large result does not come with the outcome of the wait.
  return result_omitted ? (await attempt.readChild(runId)).result : result
}
