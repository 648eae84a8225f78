// Parts of a context: values that a subject keeps once per context, declared in the subject's own files.
import { refuse } from '#core/error.ts'
import { type GroupCommit, groupCommit } from '#postgres/group-commit.ts'
import type { Ctx, GivenPart } from './ctx.ts'

/** Returns this context's value of the part, created on first use. */
export type Part<T> = {
  (ctx: Ctx): T
  /** For makeCtx: the value to use instead of creating one. */
  given: (value: T) => GivenPart
}

export function part<T>(make: (ctx: Ctx) => T): Part<T> {
  const of = (ctx: Ctx): T => {
    if (!ctx.parts.has(of)) ctx.parts.set(of, make(ctx))
    return ctx.parts.get(of) as T
  }
  return Object.assign(of, { given: (value: T): GivenPart => [of, value] })
}

/** Limits of a group commit, unless its statement sets others. */
const ITEMS_MAX = 500
const PARALLEL = 2
const WAITING_MAX = 20_000

type BatchOptions<Item> = {
  /** Maximum number of items per statement. */
  itemsMax?: number
  /** Maximum number of concurrent statements. */
  parallel?: number
  /** Two items with the same key never share a batch: the second must see the effect of the first. */
  keyOf?: (item: Item) => string | undefined
}

/**
 * A group commit per context: callers that arrive while a statement is in progress share the next one.
 * Beyond 20,000 waiting items, callers are refused with `overloaded`, which names `what`.
 */
export function batched<Item, Result>(
  what: string,
  write: (ctx: Ctx, items: Item[]) => Promise<(Result | Error)[]>,
  { itemsMax = ITEMS_MAX, parallel = PARALLEL, keyOf }: BatchOptions<Item> = {},
): (ctx: Ctx, item: Item) => Promise<Result> {
  const commits = part<GroupCommit<Item, Result>>((ctx) =>
    groupCommit((items) => write(ctx, items), {
      itemsMax,
      parallel,
      waitingMax: WAITING_MAX,
      full: () => refuse('overloaded', { what, retryAfterMs: 1000 }),
      ...(keyOf && { keyOf }),
    }),
  )
  return (ctx, item) => commits(ctx)(item)
}
