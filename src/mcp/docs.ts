// The documentation as resources, so that a model reads instead of guessing. The node lists its pages in /llms.txt.
import type { ReadPage } from './ask.ts'

const SCHEME = 'runyard://docs/'
const LISTED = /^- \[([^\]]+)\]\(\/docs\/([^)]+)\)(?:: (.*))?$/gm
const PATH = /^(?:[\w-]+\/)?[\w-]+\.md$/
const MARKDOWN = 'text/markdown'

export async function listDocs(readPage: ReadPage) {
  const index = await readPage('/llms.txt')
  return [...index.matchAll(LISTED)].map(([, name = '', path = '', description = '']) => ({
    uri: SCHEME + path,
    name,
    ...(description && { description }),
    mimeType: MARKDOWN,
  }))
}

/** Undefined for an address that is not one of a page. */
export function docsPath(uri: string): string | undefined {
  const path = uri.startsWith(SCHEME) ? uri.slice(SCHEME.length) : ''
  return PATH.test(path) ? `/docs/${path}` : undefined
}

export const docsContents = async (readPage: ReadPage, uri: string, path: string) => [
  { uri, mimeType: MARKDOWN, text: await readPage(path) },
]
