// What looks like a secret, and how it is masked: one rule for every place where headers and URLs are stored for
// people or returned to them.
import { own } from '#core/own.ts'

export const MASK = '********'

const SECRET_NAME =
  /authorization|token|secret|passw|credential|api[-_]?key|access[-_]?key|cookie|signature|jwt|(?:^|[-_])(?:auth|session|sig|pwd)(?:$|[-_])/i
/** Names that are harmless in a header but rarely in a query. */
const SECRET_PARAMETER = /^(?:key|code|state|assertion)$/i
/** Headers that contain a URL, which may itself contain secrets. */
const ADDRESS_NAME = /^(?:location|content-location|referer|refresh|link)$/i
/** Shorter values are too likely to occur in a text by chance. */
const SECRET_LENGTH_MIN = 8

const isSecretName = (name: string): boolean => SECRET_NAME.test(name)

/** Header values that look like secrets are for the endpoint alone. */
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
 * Headers sent back by someone who was shown masked ones: a masked value keeps the stored one. A mask
 * without a stored value is an error, reported with the field's name: stored, it would be sent as the secret.
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
  /** Whether any part of a value under this name may be masked. */
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
 * The URL without its user info, and without the values of parameters that look like secrets. Edited as text
 * instead of being rebuilt, so that everything else stays as it was called; a text may contain several URLs.
 */
export const maskUrl = (url: string): string =>
  url
    .replace(USER_INFORMATION, `$1${MASK}@`)
    .replace(PARAMETER, (whole, before: string, name: string) =>
      isSecretParameter(name) ? `${before}${name}=${MASK}` : whole,
    )

/** For addresses whose path is their secret, such as that of a chat: the origin alone. */
export const maskPath = (url: string): string => `${new URL(url).origin}/…`

function isSecretParameter(name: string): boolean {
  let plain = name
  try {
    plain = decodeURIComponent(name)
  } catch {
    // Not percent-encoded at all: use it as is.
  }
  return isSecretName(plain) || SECRET_PARAMETER.test(plain)
}

/** The values behind the mask, which a response that repeats its request must not reveal. */
export const secretsOf = (headers: Readonly<Record<string, string>>): string[] =>
  Object.entries(headers)
    .filter(([name]) => isSecretName(name))
    // An authorization is a scheme and a secret; either part may be repeated alone.
    .flatMap(([, value]) => [value, ...value.split(/[\s,;]+/)])
    .filter((value) => value.length >= SECRET_LENGTH_MIN)

/** The text without these secrets, the longest first, since one may contain another. */
export const withoutSecrets = (text: string, secrets: readonly string[]): string =>
  [...secrets].sort((a, b) => b.length - a.length).reduce((left, secret) => left.replaceAll(secret, MASK), text)
