// Group commit: what arrives while a batch is being written forms the next batch. There is no timer, so an idle
// system writes the first item at once, and a busy one writes few large statements instead of many small ones.
import postgres from 'postgres'

export type GroupCommit<Item, Result> = (item: Item) => Promise<Result>

type Options<Item> = {
  /** Items in one statement at most. */
  itemsMax: number
  /** Batches under way at once. */
  parallel: number
  /** Items that wait at most; beyond it the caller is refused, so that memory is bounded. */
  waitingMax: number
  /** What to throw when `waitingMax` is reached. */
  full: () => Error
  /** What an item counts for in `itemsMax`; 1 unless said otherwise. */
  weightOf?: (item: Item) => number
  /** Two items with the same key never share a batch: the second must see what the first did. */
  keyOf?: (item: Item) => string | undefined
}

/**
 * The server itself said no (bad data, a constraint, a deadlock, a limit), so nothing was committed. After a lost
 * connection that is not known, and writing again could write twice.
 */
export const refusedByServer = (error: unknown): boolean =>
  error instanceof postgres.PostgresError && /^(21|22|23|40|54)/.test(error.code)

/** What PostgreSQL cannot hold, and will not hold the next time either. */
export const isUnstorable = (error: unknown): boolean =>
  error instanceof postgres.PostgresError && /^(22|54)/.test(error.code)

/** What the driver and Node call a value that they cannot send. */
const UNSENDABLE = new Set(['UNDEFINED_VALUE', 'ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE', 'ERR_OUT_OF_RANGE'])

/**
 * An item made our own code, or the driver's, throw on the way to the commit. All that comes from outside, such as a
 * connection that was lost, a deadline or a refusal, has a code.
 */
const isOfAnItem = (error: unknown): boolean => {
  const code = (error as { code?: unknown } | null)?.code
  return error instanceof Error && (code === undefined || UNSENDABLE.has(code as string))
}

type Waiting<Item, Result> = { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void }

/**
 * `write` answers for every item of its batch in order: with a result, or with the Error for that item alone. What it
 * throws for other reasons than its connection, it throws before its commit: the batch is then written again in halves,
 * until the item that does it is alone.
 */
export function groupCommit<Item, Result>(
  write: (items: Item[]) => Promise<(Result | Error)[]>,
  { itemsMax, parallel, waitingMax, full, keyOf, weightOf = () => 1 }: Options<Item>,
): GroupCommit<Item, Result> {
  let waiting: Waiting<Item, Result>[] = []
  let underway = 0
  let scheduled = false

  function take(): Waiting<Item, Result>[] {
    const keys = new Set<string>()
    const batch: Waiting<Item, Result>[] = []
    const later: Waiting<Item, Result>[] = []
    let left = itemsMax
    let at = 0
    for (; at < waiting.length && left > 0; at++) {
      const one = waiting[at]!
      const key = keyOf?.(one.item)
      const weight = weightOf(one.item)
      // The first goes, however heavy it is; behind one that finds no room all others wait, or it might wait for ever.
      if (weight > left && batch.length > 0) break
      if (key !== undefined && keys.has(key)) {
        later.push(one)
        continue
      }
      if (key !== undefined) keys.add(key)
      left -= weight
      batch.push(one)
    }
    waiting = later.concat(waiting.slice(at))
    return batch
  }

  async function flush(): Promise<void> {
    while (waiting.length > 0 && underway < parallel) {
      underway++
      const batch = take()
      settle(batch).finally(() => {
        underway--
        void flush()
      })
    }
  }

  async function settle(batch: Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await write(batch.map((one) => one.item))
      batch.forEach((one, index) => {
        const result = results[index]
        if (result instanceof Error) one.reject(result)
        else one.resolve(result as Result)
      })
    } catch (error) {
      if (batch.length === 1 || !(refusedByServer(error) || isOfAnItem(error))) {
        for (const one of batch) one.reject(error)
        return
      }
      // Nothing of the statement is committed. Halves find the item that it failed on, and spare its neighbours.
      const half = Math.ceil(batch.length / 2)
      await Promise.all([settle(batch.slice(0, half)), settle(batch.slice(half))])
    }
  }

  return (item) =>
    new Promise<Result>((resolve, reject) => {
      if (waiting.length >= waitingMax) return reject(full())
      waiting.push({ item, resolve, reject })
      if (scheduled) return
      scheduled = true
      // Requests that were parsed in this turn of the event loop still join the batch.
      setImmediate(() => {
        scheduled = false
        void flush()
      })
    })
}
