// What was opened is closed in the reverse order, once: at the end, and when a start fails half-way.

export type Closing = {
  /** Remembers how to close what has just been opened. */
  add(close: () => unknown): void
  /** Closes everything, whatever fails in between; rejects with the first failure. */
  run(): Promise<void>
}

export function closing(): Closing {
  const closers: (() => unknown)[] = []
  let ran: Promise<void> | undefined

  async function run(): Promise<void> {
    const failures: unknown[] = []
    for (let close = closers.pop(); close; close = closers.pop()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  return {
    add: (close) => void closers.push(close),
    run: () => (ran ??= run()),
  }
}

/** Opens with `open`; when that fails, what it had opened until then is closed before the failure goes on. */
export async function openOrClose<T>(open: (opened: Closing) => Promise<T>): Promise<T> {
  const opened = closing()
  try {
    return await open(opened)
  } catch (error) {
    // What brought the start down is what its reader has to know.
    await opened.run().catch(() => {})
    throw error
  }
}
