import type { ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { httpServer } from '#test/support/local-servers.ts'
import { askModel, modelOf } from './model.ts'

const chunk = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
const words = (content: string | null) => chunk({ choices: [{ delta: { content } }] })

async function model(answer: (response: ServerResponse) => void) {
  const seen: { url?: string | undefined; authorization?: string | undefined; body: unknown }[] = []
  const { url } = await httpServer(async (request, response) => {
    seen.push({ url: request.url, authorization: request.headers.authorization, body: await json(request) })
    answer(response)
  })
  const asked = { baseUrl: `${url}v1`, name: 'm', apiKey: 'k' }
  const said: string[] = []
  const ask = () =>
    askModel(asked, {
      prompt: 'p'.repeat(40),
      onText: async (text) => void said.push(text),
      signal: AbortSignal.timeout(5_000),
    })
  return { seen, said, ask }
}

test("streamed text is passed on piece by piece, and the server's own token counts are used", async () => {
  const { seen, said, ask } = await model((response) =>
    response.end(
      words(null) +
        words('Hello ') +
        words('you.') +
        chunk({ choices: [], usage: { prompt_tokens: 9, completion_tokens: 2 } }) +
        'data: [DONE]\n\n',
    ),
  )
  expect(await ask()).toEqual({ text: 'Hello you.', promptTokens: 9, completionTokens: 2 })
  expect(said).toEqual(['Hello ', 'you.'])
  expect(seen[0]).toMatchObject({
    url: '/v1/chat/completions',
    authorization: 'Bearer k',
    body: { model: 'm', stream: true, messages: [{ role: 'system' }, { role: 'user', content: 'p'.repeat(40) }] },
  })
})

test('tokens are estimated for a server that does not count them', async () => {
  const { ask } = await model((response) => response.end(`${words('12345678')}data: [DONE]\n\n`))
  expect(await ask()).toEqual({ text: '12345678', promptTokens: 10, completionTokens: 2 })
})

test.each<[string, (response: ServerResponse) => void, string]>([
  ['refuses', (response) => response.writeHead(401).end('{}'), '401'],
  ['says nothing', (response) => response.end('data: [DONE]\n\n'), 'nothing'],
  ['talks nonsense', (response) => response.end('data: {\n\n'), 'JSON'],
])('a server that %s is an error', async (_, answer, message) => {
  const { ask } = await model(answer)
  await expect(ask()).rejects.toThrow(message)
})

test('a response without end is cut off', async () => {
  const { ask } = await model((response) => {
    const more = () =>
      void (response.writableEnded || response.destroyed || response.write(words('x'.repeat(1000)), more))
    more()
  })
  expect((await ask()).text.length).toBeLessThan(30_000)
})

test('without an address there is no model', () => {
  expect(modelOf({})).toBeUndefined()
  expect(modelOf({ OPENAI_BASE_URL: ' ' })).toBeUndefined()
  expect(modelOf({ OPENAI_BASE_URL: 'http://m/v1/', OPENAI_MODEL: 'x' })).toEqual({
    baseUrl: 'http://m/v1',
    name: 'x',
    apiKey: undefined,
  })
})
