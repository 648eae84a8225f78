// JSON as it was written is compared by its text, and with other values by what it says. Its fields are private, so
// that any two would be equal otherwise.
import { expect } from 'vitest'
import { Json } from '#core/json/json.ts'

expect.addEqualityTesters([
  function (one, other) {
    if (one instanceof Json && other instanceof Json) return one.text === other.text
    if (one instanceof Json) return this.equals(one.value, other)
    return other instanceof Json ? this.equals(one, other.value) : undefined
  },
])
