// Parses a Retry-After header (RFC 9110, 10.2.3): seconds, or one of the three date forms of HTTP.

const RETRY_AFTER_MS_MAX = 24 * 60 * 60 * 1_000

// The standard says whole seconds, but enough servers send "0.5" that it is accepted.
const SECONDS = /^\d{1,15}(?:\.\d{1,15})?$/

const MONTH = 'Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec'
const TIME = String.raw`\d{2}:\d{2}:\d{2}`
// Forms are checked first, because Date.parse accepts nearly anything with a number in it.
const IMF_FIXDATE = new RegExp(String.raw`^[A-Z][a-z]{2}, \d{2} (?:${MONTH}) \d{4} ${TIME} GMT$`)
const RFC_850 = new RegExp(String.raw`^[A-Z][a-z]{5,8}, \d{2}-(?:${MONTH})-\d{2} ${TIME} GMT$`)
const ASCTIME = new RegExp(String.raw`^[A-Z][a-z]{2} (?:${MONTH}) [ \d]\d ${TIME} \d{4}$`)

/** The wait that the other side asks for, 0 to 24 hours; undefined when it cannot be parsed. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  const text = header?.trim() ?? ''
  const waitMs = SECONDS.test(text) ? Math.ceil(Number(text) * 1_000) : dateMs(text) - nowMs
  if (Number.isNaN(waitMs)) return undefined
  return Math.min(Math.max(waitMs, 0), RETRY_AFTER_MS_MAX)
}

function dateMs(text: string): number {
  if (IMF_FIXDATE.test(text) || RFC_850.test(text)) return Date.parse(text)
  // The asctime form names no zone and means GMT; without the suffix it would be parsed as local time.
  return ASCTIME.test(text) ? Date.parse(`${text} GMT`) : Number.NaN
}
