// Makes three things readable that HTTP allows and undici's parser refuses: a "100 Continue" that nobody asked for
// (RFC 9110, 15.2), a length that is given twice with the same value, and the length of a body that does not come (8.6).
// An answer refused for one of them would count as a broken connection, and the endpoint, which has done its work, would
// be called again.
import type { Socket } from 'node:net'

const HEAD_END = Buffer.from('\r\n\r\n')
const EMPTY = Buffer.alloc(0)
const BEGINNING = 'HTTP/1.'
const CONTINUE = /^HTTP\/1\.\d 100[ \r]/
const INTERIM = /^HTTP\/1\.\d 1(?!01)\d\d[ \r]/
const BODILESS = /^HTTP\/1\.\d (?:204|304)[ \r]/
const LENGTH = /\r\ncontent-length:([^\r\n]*)/gi

export type Heads = {
  /** A request goes out: what comes next is the head of its response. */
  expect: () => void
}

/** `onHead` is told when the head of a response is whole, before the parser gets it; `onBroken` when it can never be. */
export function mendHeads(
  socket: Socket,
  { headBytesMax, onHead, onBroken }: { headBytesMax: number; onHead: () => void; onBroken: () => void },
): Heads {
  const read = socket.read.bind(socket)
  let expected = true
  let held: Buffer = EMPTY

  /** The bytes that the parser may have by now. */
  function release(): Buffer {
    const ready: Buffer[] = []
    while (expected) {
      const end = held.indexOf(HEAD_END)
      if (end === -1) {
        if (hasLoneBreak(held)) {
          // Held, it would wait for an end that never comes, and count as a broken connection.
          held = EMPTY
          onBroken()
          break
        }
        if (held.length <= headBytesMax && isBeginning(held)) break
        // Too long, or no head at all: the parser says what is wrong with it.
        expected = false
        break
      }
      const head = held.toString('latin1', 0, end + HEAD_END.length)
      held = held.subarray(head.length)
      if (CONTINUE.test(head)) continue
      ready.push(Buffer.from(withOneLength(head), 'latin1'))
      if (INTERIM.test(head)) continue
      expected = false
      onHead()
    }
    if (!expected) {
      ready.push(held)
      held = EMPTY
    }
    return ready.length === 1 ? ready[0]! : Buffer.concat(ready)
  }

  // The parser asks the socket for what there is, without a size; streams ask with one, and for nothing.
  socket.read = (size?: number): Buffer | null => {
    const chunk = read(size) as Buffer | null
    if (!expected || size !== undefined || chunk === null) return chunk
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    const ready = release()
    return ready.length === 0 ? null : ready
  }

  return {
    expect() {
      expected = true
      held = EMPTY
    },
  }
}

const isBeginning = (bytes: Buffer): boolean => {
  const length = Math.min(bytes.length, BEGINNING.length)
  return bytes.toString('latin1', 0, length) === BEGINNING.slice(0, length)
}

/** A line of a head that ends with CR or LF alone. Whether the last byte does is not known yet. */
const hasLoneBreak = (bytes: Buffer): boolean => /\r[^\n]|(?:^|[^\r])\n/.test(bytes.toString('latin1'))

/** None without a body. Lengths that differ stay as they are, for the parser to refuse. */
function withOneLength(head: string): string {
  if (BODILESS.test(head)) return head.replace(LENGTH, '')
  const given = [...head.matchAll(LENGTH)].flatMap(([, value = '']) => value.split(','))
  if (given.length < 2) return head
  const lengths = new Set(given.map((value) => value.trim()))
  if (lengths.size > 1) return head
  let first = true
  return head.replace(LENGTH, () => {
    const line = first ? `\r\nContent-Length: ${[...lengths][0]}` : ''
    first = false
    return line
  })
}
