// The names of what a run does once. A name is the identity of its result, so it may be used once in an attempt.
import { slicesOf } from '../text-slices.ts'
import { AttemptFailed } from '../worker/lease.ts'

export type Names = {
  take: (name: string) => void
  /** What the name stands for has failed, and may be tried again. */
  release: (name: string) => void
}

const NAME_LENGTH_MAX = 128

export function makeNames(): Names {
  const taken = new Set<string>()
  return {
    take(name) {
      if (typeof name !== 'string' || name === '' || name.length > NAME_LENGTH_MAX) {
        throw new AttemptFailed(`A name must have 1 to ${NAME_LENGTH_MAX} characters: ${JSON.stringify(name)}`, {
          code: 'invalid_name',
          retryable: false,
        })
      }
      if (taken.has(name)) {
        throw new AttemptFailed(
          `The name ${name} is used twice in this run. In a loop, make what differs part of the name.`,
          { code: 'name_taken', retryable: false },
        )
      }
      taken.add(name)
    },
    release: (name) => void taken.delete(name),
  }
}

/** A name made of others, or of a key, which may be too long together: what is cut off leaves a hash. */
export function madeName(name: string): string {
  if (name.length <= NAME_LENGTH_MAX) return name
  const mark = `~${fnv1a(name)}`
  const [begin = ''] = slicesOf(name, NAME_LENGTH_MAX - mark.length)
  return begin + mark
}

/** FNV-1a with 64 bits: the names of one run have to differ, and nobody gains by making them collide. */
function fnv1a(text: string): string {
  let hash = 0xcbf29ce484222325n
  for (const byte of new TextEncoder().encode(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
  return hash.toString(16).padStart(16, '0')
}
