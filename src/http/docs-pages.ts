// The documentation as Markdown, for programs and models that read instead of guess: /llms.txt lists the pages, and each
// page is at the path that it has in the repository.
import { existsSync, globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { refuse } from '#core/error.ts'
import { cutText } from '#core/storable.ts'

/** Beside the sources, in a clone as in the package. */
const FOLDER = fileURLToPath(new URL('../../docs/', import.meta.url))
/** What users read; decisions and the rules of the code are for those who change it. */
const PAGES = ['*.md', 'guides/*.md']
const NOT_SERVED: ReadonlySet<string> = new Set(['style.md', 'architecture.md', 'README.md'])
const SENTENCE_CHARS_MAX = 200

type Page = { path: string; title: string; about: string; text: string }

export function docsPageRoutes(app: FastifyInstance): void {
  // Read when the first page is asked for, so that the start does not wait for it.
  let reading: Promise<ReadonlyMap<string, Page>> | undefined
  const pages = () => (reading ??= readPages())

  app.get('/llms.txt', async (_, reply) => {
    return reply.type('text/plain; charset=utf-8').send(indexOf([...(await pages()).values()]))
  })
  app.get<{ Params: { '*': string } }>('/docs/*', async (request, reply) => {
    const page = (await pages()).get(request.params['*'])
    if (!page) throw refuse('route_not_found', { method: request.method, path: request.url.split('?')[0] ?? '' })
    return reply.type('text/markdown; charset=utf-8').send(page.text)
  })
}

async function readPages(): Promise<ReadonlyMap<string, Page>> {
  const paths = existsSync(FOLDER) ? globSync(PAGES, { cwd: FOLDER }).filter((path) => !NOT_SERVED.has(path)) : []
  const pages = await Promise.all(paths.sort().map(async (path) => pageOf(path, await readFile(FOLDER + path, 'utf8'))))
  return new Map(pages.map((page) => [page.path, page]))
}

function pageOf(path: string, text: string): Page {
  const title = /^# (.+)$/m.exec(text)?.[1] ?? path
  // The first paragraph, which some pages have below a heading or a table.
  const begin = /^[A-Z`*[].*(?:\n.+)*/m.exec(text)?.[0] ?? ''
  const plain = begin.replaceAll('\n', ' ').replace(/\[([^\]]+)\]\([^)]+\)/g, '$1')
  const sentence = /^.+?\.(?= |$)/.exec(plain)?.[0] ?? plain
  return { path, title, about: cutText(sentence, SENTENCE_CHARS_MAX).replace(/:?\s*$/, ''), text }
}

function indexOf(pages: readonly Page[]): string {
  const line = ({ path, title, about }: Page) => `- [${title}](/docs/${path})${about && `: ${about}`}`
  const guides = pages.filter(({ path }) => path.startsWith('guides/'))
  const others = pages.filter(({ path }) => !path.startsWith('guides/'))
  return `# Runyard

> A self-hosted control plane for the runs of AI agents and background jobs: it starts, retries, pauses and stops runs, keeps one
> append-only log of what happened, and decides what an agent may do.

The API is described by [OpenAPI](/openapi.json). MCP is served at \`/mcp\`.

## Guides

${guides.map(line).join('\n')}

## Reference

${others.map(line).join('\n')}
`
}
