// Reads the import statements of a script. By patterns and not by a parser: an audit should not need a compiler.

export type Import = {
  /** What stands between the quotes. */
  from: string
  /** It is gone when the types are: it makes no circle at run time. */
  typeOnly: boolean
}

// A clause holds no quotes and no semicolon, so a match cannot reach from one statement into the next.
const STATIC =
  /^[ \t]*(?:import|export)\b(?<clause>[ \t]+type\b)?(?<names>[^'"`;()=]*?)\bfrom\s*['"](?<from>[^'"\n]+)['"]/gm
const BARE = /^[ \t]*import\s*['"](?<from>[^'"\n]+)['"]/gm
const DYNAMIC = /\b(?:import|require)\(\s*['"](?<from>[^'"\n]+)['"]\s*[,)]/g

export function readImports(text: string): Import[] {
  const code = withoutComments(text)
  const found: Import[] = []
  for (const { groups } of code.matchAll(STATIC)) {
    const typeOnly = groups!.clause !== undefined || hasTypesOnly(groups!.names!)
    found.push({ from: groups!.from!, typeOnly })
  }
  for (const pattern of [BARE, DYNAMIC]) {
    for (const { groups } of code.matchAll(pattern)) found.push({ from: groups!.from!, typeOnly: false })
  }
  return found
}

/** `{ type A, type B }`: each name says so by itself. */
function hasTypesOnly(names: string): boolean {
  const inner = /^\s*\{([^}]*)\}\s*$/.exec(names)?.[1]
  const parts =
    inner
      ?.split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '') ?? []
  return parts.length > 0 && parts.every((part) => /^type\s/.test(part))
}

// Only comments that fill whole lines: what looks like one within a line may be part of a string.
const withoutComments = (text: string): string =>
  text.replaceAll(/^[ \t]*\/\*[\s\S]*?\*\//gm, '').replaceAll(/^[ \t]*\/\/.*$/gm, '')
