// Measures one call: making the connection, waiting for the first byte, receiving the rest.

/**
 * Where the time went. `connectMs` covers DNS, TCP and TLS, and is 0 when a kept-alive connection served. What
 * `totalMs` has more than the three others is the wait for a free connection. A fault stops the clocks.
 */
export type CallTimings = { connectMs: number; ttfbMs: number; transferMs: number; totalMs: number }

export function startClock() {
  const startedAt = performance.now()
  let dialMs = 0
  let dialAt: number | undefined
  let sentAt: number | undefined
  let firstByteAt: number | undefined
  return {
    dialStarted: () => {
      dialAt = performance.now()
    },
    dialEnded: () => {
      dialMs = performance.now() - (dialAt ?? startedAt)
      dialAt = undefined
    },
    requestSent: () => {
      sentAt = performance.now()
    },
    firstByte: () => {
      firstByteAt ??= performance.now() // A 1xx response begins too; the first byte is the first byte.
    },
    read: (): CallTimings => {
      const now = performance.now()
      return {
        connectMs: dialAt === undefined ? dialMs : now - dialAt,
        ttfbMs: sentAt === undefined ? 0 : (firstByteAt ?? now) - sentAt,
        transferMs: firstByteAt === undefined ? 0 : now - firstByteAt,
        totalMs: now - startedAt,
      }
    },
  }
}
