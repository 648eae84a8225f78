// Rows that are made at their first use and then locked, many times a second: which of them are there is remembered, so
// that they are not looked for before each lock. A memory that is wrong costs a statement more, and nothing else.

/** Keys of rows that were there. */
export type KnownRows = Set<string>

const KNOWN_MAX = 20_000

/**
 * Rows that are missing are made before the first one is locked: who makes one holds nothing that another may wait for.
 * Rows that were there and are gone, as after a restore, are made under the locks of the others.
 */
export async function lockKnown<Row>(
  known: KnownRows,
  keys: readonly string[],
  { insertMissing, lock }: { insertMissing: () => Promise<unknown>; lock: () => Promise<readonly Row[]> },
): Promise<readonly Row[]> {
  const isKnown = keys.every((key) => known.has(key))
  let [, rows] = await Promise.all([isKnown ? undefined : insertMissing(), lock()])
  if (rows.length < keys.length) [, rows] = await Promise.all([insertMissing(), lock()])
  if (known.size > KNOWN_MAX) known.clear()
  for (const key of keys) known.add(key)
  return rows
}
