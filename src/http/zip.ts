// A .zip as a stream, created in pieces as the client reads it, so that a large one neither fills the memory nor
// delays other requests.
import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { Zip, ZipDeflate } from 'fflate'

/** `text` in chunks of any length. */
export type ZippedFile = { name: string; text: Iterable<string> }

/** Compressing this much takes a few milliseconds. */
const PIECE_BYTES = 128 * 1024

export const zipOf = (files: Iterable<ZippedFile>, madeAt: Date): Readable =>
  Readable.from(packed(files, madeAt), { objectMode: false })

async function* packed(files: Iterable<ZippedFile>, madeAt: Date): AsyncGenerator<Buffer> {
  let ready: Uint8Array[] = []
  const taken = () => {
    const bytes = Buffer.concat(ready)
    ready = []
    return bytes
  }
  const zip = new Zip((error, chunk) => {
    if (error) throw error
    ready.push(chunk)
  })
  for (const { name, text } of files) {
    const parts = pieces(text)
    const first = parts.next().value ?? new Uint8Array(0)
    // The compressor's memory is initialised for each file, which would dominate the work for a small one.
    const file = new ZipDeflate(name, { mem: first.length < PIECE_BYTES ? 0 : 6 })
    file.mtime = madeAt
    zip.add(file)
    file.push(first)
    for (const piece of parts) {
      yield taken()
      await setImmediate()
      file.push(piece)
    }
    file.push(new Uint8Array(0), true)
  }
  zip.end()
  yield taken()
}

function* pieces(text: Iterable<string>): Generator<Uint8Array> {
  let waiting: Uint8Array[] = []
  let bytes = 0
  for (const part of text) {
    const more = Buffer.from(part)
    waiting.push(more)
    bytes += more.length
    if (bytes < PIECE_BYTES) continue
    const all = Buffer.concat(waiting)
    for (let at = 0; at < all.length; at += PIECE_BYTES) yield all.subarray(at, at + PIECE_BYTES)
    waiting = []
    bytes = 0
  }
  if (bytes > 0) yield Buffer.concat(waiting)
}
