// The names of what a run does once. A name is the identity of its result, so it may be used once in an attempt.
import { AttemptFailed } from '../worker/lease.ts'

export type Names = { take: (name: string) => void }

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
  }
}
