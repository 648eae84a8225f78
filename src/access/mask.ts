// What looks like a secret, and how it is shown: one rule for every place where headers and addresses are kept for
// people or answered to them.
import { own } from '#core/own.ts'

export const MASK = '********'

const SECRET_NAME =
  /authorization|token|secret|passw|credential|api[-_]?key|access[-_]?key|cookie|signature|jwt|(?:^|[-_])(?:auth|session|sig|pwd)(?:$|[-_])/i
/** Names that are harmless in a header and mostly not in a query. */
const SECRET_PARAMETER = /^(?:key|code|state|assertion)$/i
/** Headers that hold an address, which may hold secrets itself. */
const ADDRESS_NAME = /^(?:location|content-location|referer|refresh|link)$/i
/** What is shorter is too likely to stand in a text by chance. */
const SECRET_LENGTH_MIN = 8

const isSecretName = (name: string): boolean => SECRET_NAME.test(name)

/** Values of headers that look like secrets are for the endpoint alone. */
export const maskHeaders = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, shownHeader(name, value)]))

const shownHeader = (name: string, value: string): string =>
  isSecretName(name) ? MASK : ADDRESS_NAME.test(name) ? maskUrl(value) : value
const hidesOfHeader = (name: string): boolean => isSecretName(name) || ADDRESS_NAME.test(name)

/** Values by name, such as an environment: those that look like secrets are for the executor alone. */
export const maskValues = (values: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, shownValue(name, value)]))

const shownValue = (name: string, value: string): string => (isSecretName(name) ? MASK : value)

type Values = Readonly<Record<string, string>>
export type Unmasked = { values: Record<string, string> } | { problem: string }

/**
 * Headers as they came back from somebody who was shown the masked ones: what is still masked is what is kept. A mask
 * with nothing behind it is a problem, told after the name of the field: kept, it would be sent as the secret.
 */
export function unmaskHeaders(sent: Values, kept: Values): Unmasked {
  const byName = new Map(Object.entries(kept).map(([name, value]) => [name.toLowerCase(), value]))
  return unmask(sent, { keptOf: (name) => byName.get(name.toLowerCase()), shown: shownHeader, hides: hidesOfHeader })
}

/** The same for values by name. */
export const unmaskValues = (sent: Values, kept: Values): Unmasked =>
  unmask(sent, {
    keptOf: (name) => own(kept, name),
    shown: shownValue,
    hides: isSecretName,
  })

type Masking = {
  keptOf: (name: string) => string | undefined
  shown: (name: string, value: string) => string
  /** Whether something of a value under this name may be masked. */
  hides: (name: string) => boolean
}

function unmask(sent: Values, { keptOf, shown, hides }: Masking): Unmasked {
  const values: [name: string, value: string][] = []
  for (const [name, value] of Object.entries(sent)) {
    const kept = keptOf(name)
    if (kept !== undefined && value === shown(name, kept)) values.push([name, kept])
    else if (hides(name) && value.includes(MASK) && value === shown(name, value))
      return { problem: `has a mask under ${JSON.stringify(name)} and no value behind it: send the value` }
    else values.push([name, value])
  }
  return { values: Object.fromEntries(values) }
}

const USER_INFORMATION = /(\/\/)[^/?#\s<>"]*@/g
const PARAMETER = /([?&#;])([^=&#;?\s<>"]+)=([^&#;\s<>"]*)/g

/**
 * The address without its user information, and without the values of parameters that look like secrets. Changed in
 * its text rather than made anew from its parts, so that all else is seen as it was called; a text may hold several.
 */
export const maskUrl = (url: string): string =>
  url
    .replace(USER_INFORMATION, `$1${MASK}@`)
    .replace(PARAMETER, (whole, before: string, name: string) =>
      isSecretParameter(name) ? `${before}${name}=${MASK}` : whole,
    )

function isSecretParameter(name: string): boolean {
  let plain = name
  try {
    plain = decodeURIComponent(name)
  } catch {
    // Not percent-encoded at all: it is what it says.
  }
  return isSecretName(plain) || SECRET_PARAMETER.test(plain)
}

/** The values behind the mask: what an answer that repeats its request must not bring back. */
export const secretsOf = (headers: Readonly<Record<string, string>>): string[] =>
  Object.entries(headers)
    .filter(([name]) => isSecretName(name))
    // An authorization is a scheme and the secret; either half may be repeated alone.
    .flatMap(([, value]) => [value, ...value.split(/[\s,;]+/)])
    .filter((value) => value.length >= SECRET_LENGTH_MIN)

/** The text without these secrets, the longest first, since one may stand within another. */
export const withoutSecrets = (text: string, secrets: readonly string[]): string =>
  [...secrets].sort((a, b) => b.length - a.length).reduce((left, secret) => left.replaceAll(secret, MASK), text)
