// What libraries hand around, as JSON that can be kept: bytes as base64, times and addresses as text, and what only lives in
// this process left out.

const DEPTH_MAX = 90
const BASE64_CHUNK = 0x8000

/** Undefined for what has no JSON, such as a function. */
export function plainJson(value: unknown, depth = 0): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object') return undefined
  if (depth >= DEPTH_MAX) throw new TypeError(`A value nested more than ${DEPTH_MAX} deep cannot be kept`)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (value instanceof URL) return value.href
  if (value instanceof Uint8Array) return base64Of(value)
  if (value instanceof Error) return { name: value.name, message: value.message }
  if (Array.isArray(value)) return value.map((item) => plainJson(item, depth + 1) ?? null)
  if ('toJSON' in value && typeof value.toJSON === 'function') return plainJson(value.toJSON(), depth + 1)
  const members = Object.entries(value).flatMap(([name, member]) => {
    const plain = plainJson(member, depth + 1)
    return plain === undefined ? [] : [[name, plain] as const]
  })
  return Object.fromEntries(members)
}

function base64Of(bytes: Uint8Array): string {
  let binary = ''
  for (let from = 0; from < bytes.length; from += BASE64_CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(from, from + BASE64_CHUNK))
  }
  return btoa(binary)
}

/** The same text for equal values, in whatever order their members are. */
export function sortedJson(value: unknown): string {
  return JSON.stringify(sorted(plainJson(value) ?? null))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)]),
  )
}
