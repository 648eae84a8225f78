import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { ROUTES } from '#contract/routes.ts'
import { REFUSAL_CODES } from '#core/error.ts'
import { testServer } from '../server.fixture.ts'
import { docsRoutes } from './docs.ts'
import { openapiOf } from './openapi.ts'

type Operation = {
  operationId: string
  security: object[]
  parameters: { name: string; in: string; required?: boolean; schema: object }[]
  requestBody?: { required: boolean; content: Record<string, { schema: object }> }
  responses: Record<string, { $ref?: string; content?: Record<string, { schema: object }> }>
  'x-scope': string
  'x-codes': string[]
}
const document = openapiOf(ROUTES, { version: '1.2.3' })
const operations = document.paths as Record<string, Record<string, Operation>>
const operationOf = (name: string): Operation => {
  const found = Object.values(operations)
    .flatMap((methods) => Object.values(methods))
    .find((operation) => operation.operationId === name)
  if (!found) throw new Error(`there is no ${name}`)
  return found
}

test('every route is in the OpenAPI document with its path, method and name', () => {
  for (const route of ROUTES) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    expect(operations[path]?.[route.method.toLowerCase()]?.operationId).toBe(route.name)
    expect(operationOf(route.name)['x-scope']).toBe(route.needs)
  }
  expect(Object.values(operations).flatMap((methods) => Object.keys(methods))).toHaveLength(ROUTES.length)
})

test('every refusal code has a response in the OpenAPI document', () => {
  const { responses } = document.components as { responses: Record<string, { description: string }> }
  const words = Object.values(responses).map((response) => response.description)
  // No route of the contract can be asked with a method that it does not take, and none of ours counts against a plan.
  const elsewhere: readonly string[] = ['method_not_allowed', 'quota_exceeded']
  const told = REFUSAL_CODES.filter((code) => !elsewhere.includes(code))
  expect(told.filter((code) => !words.some((text) => text.includes(`\`${code}\``)))).toEqual([])
})

test('an operation in the OpenAPI document names exactly the codes that it may return', () => {
  expect(operationOf('cancelRun')['x-codes']).toEqual(expect.arrayContaining(['run_not_found', 'run_over', 'invalid']))
  expect(operationOf('cancelRun')['x-codes']).not.toContain('job_exists')
})

test('a field with a default is optional in the OpenAPI document', () => {
  const limit = operationOf('listRuns').parameters.find((parameter) => parameter.name === 'limit')
  expect(limit).toMatchObject({ in: 'query', required: false, schema: { default: 50, maximum: 500 } })
  const { schemas } = document.components as { schemas: Record<string, { required?: string[] }> }
  expect(schemas.JobInput!.required).toEqual(['slug', 'execution'])
})

test('mutating calls document an idempotency key, and streams the last event id', () => {
  const headers = (name: string) =>
    operationOf(name)
      .parameters.filter((parameter) => parameter.in === 'header')
      .map((parameter) => parameter.name)
  expect(headers('triggerRun')).toEqual(['Idempotency-Key'])
  expect(headers('deleteJob')).toEqual(['Idempotency-Key'])
  expect(headers('getRun')).toEqual([])
  expect(headers('streamRun')).toEqual(['Last-Event-ID'])
})

test('the OpenAPI document says which credential a call needs', () => {
  expect(operationOf('getLive').security).toEqual([])
  expect(operationOf('completeRun').security).toEqual([{ run_token: [] }])
  expect(operationOf('getRun').security).toEqual([{ bearer: [] }, { api_key: [] }, { run_token: [] }])
  expect(operationOf('listRuns').security).toEqual([{ bearer: [] }, { api_key: [] }])
})

test('streams, NDJSON and metrics have their content types in the OpenAPI document', () => {
  expect(Object.keys(operationOf('streamRun').responses['200']!.content!)).toEqual(['text/event-stream'])
  expect(Object.keys(operationOf('appendEvents').requestBody!.content)).toEqual([
    'application/json',
    'application/x-ndjson',
  ])
  expect(Object.keys(operationOf('getMetrics').responses['200']!.content!)).toEqual(['text/plain'])
})

test('two different schemas with the same name are refused', () => {
  const other = {
    ...ROUTES[0]!,
    name: 'other',
    path: '/other' as const,
    replies: { 200: { title: 'Job', type: 'object' } },
  }
  expect(() => openapiOf([...ROUTES, other], { version: '1' })).toThrow('two schemas are called Job')
})

test('the OpenAPI document passes the linter without a warning', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'openapi-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'openapi.json')
  writeFileSync(file, JSON.stringify(document))
  const offline = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }
  const lint = promisify(execFile)(
    process.execPath,
    ['node_modules/.bin/redocly', 'lint', file, '--config', 'redocly.yaml', '--format', 'json'],
    { env: offline },
  )
  const { stdout } = await lint.catch((error: { stdout: string }) => error)
  expect(JSON.parse(stdout).problems).toEqual([])
})

test('the server serves the OpenAPI document, and a page that loads nothing from elsewhere', async () => {
  const app = testServer(docsRoutes)
  const served = (await app.inject('/openapi.json')).json()
  expect(served.openapi).toBe('3.1.0')
  expect(Object.keys(served.paths)).toEqual(Object.keys(document.paths))

  expect((await app.inject('/docs')).headers.location).toBe('/docs/')
  const page = await app.inject({ url: '/docs/', headers: { authorization: 'none' } })
  expect(page.statusCode).toBe(200)
  expect(page.body).not.toMatch(/https?:\/\//)
  const policy = page.headers['content-security-policy'] as string
  expect(policy).toContain("default-src 'self'")
  expect(policy).not.toMatch(/https?:|script-src[^;]*unsafe/)

  const [, script] = /<script src="([^"]+)"/.exec(page.body)!
  const bundle = await app.inject(new URL(script!, 'http://localhost/docs/').pathname)
  expect(bundle.statusCode).toBe(200)
  expect(bundle.headers['content-type']).toContain('javascript')
  expect(bundle.body.length).toBeGreaterThan(100_000)
})
