// The documentation as a node serves it, for programs and models.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { callerOf, codeOf, httpYard } from '../support/http-yard.ts'

test('a node serves its documentation as Markdown, and lists the pages', async () => {
  const { address } = await httpYard()
  const get = (path: string) => callerOf(address, '')('GET', path)
  const index = await get('/llms.txt')
  expect(index.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  expect(index.body).toMatch(/^# Runyard\n\n> /)
  const links = [...index.body.matchAll(/^- \[[^\]]+\]\(([^)]+)\)(.*)$/gm)] as RegExpMatchArray[]
  expect(links.length).toBeGreaterThan(20)
  for (const [line, path, about] of links) {
    expect(about, line).toMatch(/^: .+/)
    const { status, body } = await get(path!)
    expect(status, path).toBe(200)
    expect(body).toBe(readFileSync(path!.slice(1), 'utf8'))
  }
  expect((await get('/docs/guides/worker.md')).headers.get('content-type')).toBe('text/markdown; charset=utf-8')
})

test('nothing but pages for users is served', async () => {
  const { address } = await httpYard()
  const get = (path: string) => callerOf(address, '')('GET', path)
  for (const path of [
    'style.md',
    'nope.md',
    '..%2fpackage.json',
    '%2e%2e/package.json',
    'decisions/README.md',
    'guides',
  ]) {
    const reply = await get(`/docs/${path}`)
    expect({ status: reply.status, code: codeOf(reply) }, path).toEqual({ status: 404, code: 'route_not_found' })
  }
})
