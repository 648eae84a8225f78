// Closes what was opened in reverse order, once: at the end, and when a start fails halfway.

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

/** Opens with `open`; if that fails, everything opened so far is closed before the error is passed on. */
export async function openOrClose<T>(open: (opened: Closing) => Promise<T>): Promise<T> {
  const opened = closing()
  try {
    return await open(opened)
  } catch (error) {
    // What made the start fail is what its reader needs to know.
    await opened.run().catch(() => {})
    throw error
  }
}
