// How a node serves the console: its page, its files, and everything that is no page of it.
import { beforeAll, describe, expect, test } from 'vitest'
import { httpYard } from '../support/http-yard.ts'
import { requireConsole } from './signed-in.ts'

const PAGE = { accept: 'text/html,application/xhtml+xml' }

beforeAll(requireConsole, 300_000)

describe('the console of a node', () => {
  test('is one page for all screens, which finds its files from any depth', async () => {
    const { address } = await httpYard()
    for (const [path, base] of [
      ['/', './'],
      ['/runs?status=failed', './'],
      ['/runs/01a2', '../'],
      ['/agents/a%2Fb', '../'],
      ['/jobs/x/', '../../'],
    ] as const) {
      const answer = await fetch(address + path, { headers: PAGE })
      const page = await answer.text()
      expect([answer.status, answer.headers.get('content-type')], path).toEqual([200, 'text/html; charset=utf-8'])
      expect(page, path).toContain(`<base href="${base}"`)
      const script = /src="([^"]+\.js)"/.exec(page)![1]!
      const file = await fetch(new URL(base + script, `${address}${path.split('?')[0]}`))
      expect([file.status, file.headers.get('content-type')], path).toEqual([200, 'text/javascript; charset=utf-8'])
    }
  })

  test('allows its page nothing inline and no other host, and no frame around it', async () => {
    const { address } = await httpYard()
    const answer = await fetch(`${address}/`, { headers: PAGE })
    const policy = answer.headers.get('content-security-policy')!
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self';")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/unsafe|https?:|data:|\*/)
    expect(answer.headers.get('cache-control')).toBe('no-cache')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await answer.text()).not.toMatch(/<script>|<style|style=|onclick=/)
  })

  test('files that are named by their content are kept for good, and sent compressed to who takes it', async () => {
    const { address } = await httpYard()
    const page = await (await fetch(`${address}/`, { headers: PAGE })).text()
    const script = `${address}/${/src="\.\/([^"]+\.js)"/.exec(page)![1]!}`
    const sizes: Record<string, string | null> = {}
    for (const encoding of ['br', 'gzip', 'identity']) {
      const answer = await fetch(script, { headers: { 'accept-encoding': encoding }, method: 'HEAD' })
      expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
      expect(answer.headers.get('vary')).toBe('accept-encoding')
      expect(answer.headers.get('content-encoding')).toBe(encoding === 'identity' ? null : encoding)
      sizes[encoding] = answer.headers.get('content-length')
    }
    expect(Number(sizes.br)).toBeLessThan(Number(sizes.identity) / 2)
    expect(
      (await fetch(script, { headers: { 'accept-encoding': 'br;q=0' } })).headers.get('content-encoding'),
    ).toBeNull()
  })

  test('sends 180 kB of compressed JavaScript at most before the list of runs is there', async () => {
    const { address } = await httpYard()
    const page = await (await fetch(`${address}/runs`, { headers: PAGE })).text()
    const scripts = [...page.matchAll(/(?:src|href)="\.\/([^"]+\.js)"/g)].map((found) => found[1]!)
    let bytes = 0
    for (const script of scripts) {
      const answer = await fetch(`${address}/${script}`, { method: 'HEAD', headers: { 'accept-encoding': 'gzip' } })
      bytes += Number(answer.headers.get('content-length'))
    }
    expect(bytes).toBeGreaterThan(50_000)
    expect(bytes).toBeLessThan(180_000)
  })

  test('leaves the answers of the API as they are, 404s included', async () => {
    const { address, call } = await httpYard()
    for (const path of [
      '/nothing',
      '/v1/nothing',
      '/assets/nothing.js',
      '/assets/../package.json',
      '/strait/nothing',
    ]) {
      const answer = await fetch(address + path, { headers: PAGE })
      expect([answer.status, answer.headers.get('content-type')], path).toEqual([
        404,
        'application/json; charset=utf-8',
      ])
    }
    // A client that forgot /v1 is told so, and does not get a page.
    expect((await call('GET', '/runs/01a2')).body.error.code).toBe('route_not_found')
    expect((await call('GET', '/v1/runs')).status).toBe(200)
    expect((await fetch(`${address}/docs/`, { headers: PAGE })).status).toBe(200)
  })
})
