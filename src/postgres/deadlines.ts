// Deadlines of many things by one timer, which runs only while there are any.

const TICK_MS = 100

export type Deadlines<Item> = {
  add(item: Item, beganMs: number): void
  delete(item: Item): void
  items(): Item[]
  first(): Item | undefined
  /** When the oldest of them began; undefined when there is none. */
  oldestMs(): number | undefined
  size(): number
}

/** `late` is called once for each item that is still there after `limitMs`, undefined for no limit. */
export function keepDeadlines<Item>(limitMs: number | undefined, late: (item: Item) => void): Deadlines<Item> {
  const began = new Map<Item, number>()
  let timer: NodeJS.Timeout | undefined

  function tick(): void {
    const nowMs = performance.now()
    for (const [item, beganMs] of began) {
      if (nowMs - beganMs < limitMs!) continue
      began.delete(item)
      late(item)
    }
    if (began.size > 0) return
    clearInterval(timer)
    timer = undefined
  }

  return {
    add(item, beganMs) {
      began.set(item, beganMs)
      if (limitMs !== undefined) timer ??= setInterval(tick, TICK_MS).unref()
    },
    delete: (item) => void began.delete(item),
    items: () => [...began.keys()],
    first: () => began.keys().next().value,
    oldestMs: () => began.values().next().value,
    size: () => began.size,
  }
}
