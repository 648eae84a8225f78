// What every contestant of the queue bench does: first all runs are added by two producers in batches, then all are
// worked off. Both are timed; what is made ready before and taken down after is not.

export type Entry = { url: string; runs: number; warmUp: number }
export type Times = { addMs: number; workMs: number }

export type Contestant = {
  add(runs: number): Promise<void>
  /** Resolves when that many are worked off, and the queue knows it. */
  work(runs: number): Promise<void>
  close(): Promise<void>
}

export const BATCH = 500
const PRODUCERS = 2

/** Adds `runs` in batches, from as many producers at once as there are cores. */
export async function inBatches(runs: number, addBatch: (count: number) => Promise<unknown>): Promise<void> {
  let left = runs
  const produce = async () => {
    while (left > 0) {
      const count = Math.min(BATCH, left)
      left -= count
      await addBatch(count)
    }
  }
  await Promise.all(Array.from({ length: PRODUCERS }, produce))
}

export async function contest({ add, work, close }: Contestant, { runs, warmUp }: Entry): Promise<Times> {
  // Code that runs for the first time is compiled while it runs; a service does that once a day.
  await add(warmUp)
  await work(warmUp)
  const began = performance.now()
  await add(runs)
  const added = performance.now()
  await work(runs)
  const worked = performance.now()
  await close()
  return { addMs: added - began, workMs: worked - added }
}
