// Lists: as many items as were asked for, over as many pages as it takes.
import type { Command } from 'commander'
import type { Output, Route } from '#contract/route.ts'
import type { Answer, Cli } from './cli.ts'
import type { Values } from './command.ts'
import { usageError } from './exit-codes.ts'
import { itemTexts, memberText } from './json-text.ts'

const LIMIT_DEFAULT = 50
const LIMIT_MAX = 100_000
const PAGE_MAX = 500

type Page = { data: unknown[]; next_cursor: string | null; has_more: boolean }
/** A route that lists things, with the type of one of them. */
export type ItemOf<R extends Route> = Output<R> extends { data: (infer Item)[] } ? Item : never

export const limitOption = (command: Command): Command =>
  command.option('--limit <number>', `How many to show at most (default: ${LIMIT_DEFAULT})`)

export function limitOf(given: Values): number {
  const { limit } = given
  if (limit === undefined) return LIMIT_DEFAULT
  const count = Number(limit)
  if (Number.isInteger(count) && count >= 1 && count <= LIMIT_MAX) return count
  throw usageError(`--limit must be a whole number from 1 to ${LIMIT_MAX}, not "${limit}".`)
}

/** The items with their own JSON texts, a page at a time. */
export async function* listItems<R extends Route>(
  cli: Cli,
  route: R,
  { input = {}, limit, pageMax = PAGE_MAX }: { input?: Values; limit: number; pageMax?: number | undefined },
): AsyncGenerator<Answer<ItemOf<R>>, { more: boolean }> {
  let left = limit
  let cursor: string | undefined
  for (;;) {
    const asked = { ...input, limit: Math.min(left, pageMax), ...(cursor !== undefined && { cursor }) }
    const { value, text } = await cli.ask<Route>(route, asked)
    const page = value as unknown as Page
    const texts = itemTexts(memberText(text, 'data') ?? '[]')
    for (const [at, item] of page.data.entries()) yield { value: item as ItemOf<R>, text: texts[at]! }
    left -= page.data.length
    if (!page.has_more || page.next_cursor === null) return { more: false }
    if (left <= 0) return { more: true }
    cursor = page.next_cursor
  }
}

type Listing<R extends Route> = {
  input?: Values
  limit: number
  /** What the route allows on a page, if that is less than most do. */
  pageMax?: number
  /** What to print when there is nothing. */
  none: string
  show: (rows: ItemOf<R>[]) => void
}

/** Prints a list: with --json one item a line as it comes, else as a table. */
export async function showList<R extends Route>(cli: Cli, route: R, { input, limit, pageMax, none, show }: Listing<R>) {
  const rows: ItemOf<R>[] = []
  const items = listItems(cli, route, { input: input ?? {}, limit, pageMax })
  let step = await items.next()
  for (; !step.done; step = await items.next()) {
    if (cli.terminal.json) cli.terminal.record(step.value.text)
    else rows.push(step.value.value)
  }
  if (!cli.terminal.json) {
    if (rows.length === 0) return cli.terminal.say(none)
    show(rows)
  }
  // On stderr: whoever reads the list in a pipe must know as well that it is not all of it.
  if (step.value.more) cli.terminal.say(moreWords(limit))
}

const moreWords = (limit: number): string =>
  limit < LIMIT_MAX
    ? `There are more; show them with --limit ${Math.min(limit * 10, LIMIT_MAX)}.`
    : `There are more than ${LIMIT_MAX}; narrow the list with a filter.`
