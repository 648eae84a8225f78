// What stands behind the ? of an address, in the API's own words: text, or a list of texts for what is repeated. Nothing
// is guessed to be a number or JSON, so that what is copied from the address bar is what curl takes.

export type Search = Record<string, string | string[] | undefined>

export function parseSearch(text: string): Search {
  const search: Record<string, string | string[]> = Object.create(null)
  for (const [name, value] of new URLSearchParams(text)) {
    const known = search[name]
    search[name] = known === undefined ? value : [...[known].flat(), value]
  }
  return { ...search }
}

export function stringifySearch(search: Record<string, unknown>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(search)) {
    for (const one of [value].flat())
      if (one !== undefined && one !== null && one !== '') query.append(name, String(one))
  }
  // Commas and colons may stand as they are, and people read them.
  const text = query.toString().replaceAll('%2C', ',').replaceAll('%3A', ':')
  return text === '' ? '' : `?${text}`
}

/** The first of what was given, where only one is meant. */
export const one = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value

export const many = (value: string | string[] | undefined): string[] => (value === undefined ? [] : [value].flat())

/** Of all that an address holds, the names that a screen knows; a shared link may hold filters that no longer exist. */
export const pick =
  <const Names extends readonly string[]>(names: Names) =>
  (search: Record<string, unknown>): { [Name in Names[number]]?: string | string[] } => {
    const found: Record<string, string | string[]> = {}
    for (const name of names) {
      const value = search[name]
      if (typeof value === 'string') found[name] = value
      else if (Array.isArray(value)) found[name] = value.map(String)
    }
    return found as { [Name in Names[number]]?: string | string[] }
  }
