// Which headers may be sent to an endpoint: checked when a job is created or updated, and again before each call.
import { validateHeaderName, validateHeaderValue } from 'node:http'

// These belong to the connection or are derived from the body; a job's own value would contradict them.
const OF_THE_CONNECTION = new Set(
  'accept-encoding connection content-length expect host keep-alive te trailer transfer-encoding upgrade'.split(' '),
)

/** Why this header cannot be sent; undefined when it can. Never repeats the value, which may be a secret. */
export function headerProblem(name: string, value: string): string | undefined {
  try {
    validateHeaderName(name)
  } catch {
    return 'it is not a valid header name'
  }
  if (OF_THE_CONNECTION.has(name.toLowerCase())) return 'it belongs to the connection'
  try {
    validateHeaderValue(name, value)
  } catch {
    return 'its value has a character that no header may carry'
  }
  return undefined
}

/** What is wrong with the headers of a job, prefixed with the field's name; undefined when all can be sent. */
export function headersProblem(headers: Readonly<Record<string, string>>): string | undefined {
  const seen = new Set<string>()
  for (const [name, value] of Object.entries(headers)) {
    const twice = seen.has(name.toLowerCase()) ? 'it is there twice, and header names have no case' : undefined
    const problem = headerProblem(name, value) ?? twice
    if (problem) return `must not hold ${JSON.stringify(name)}: ${problem}`
    seen.add(name.toLowerCase())
  }
  return undefined
}
