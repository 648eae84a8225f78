import { request } from 'node:http'
import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { addApp, claim, dynamiqYard, UUID } from '../../support/dynamiq-yard.ts'
import { callerOf, KEY, openNode, until } from '../../support/http-yard.ts'

const MIB = 1024 * 1024

/** Sends a form as a client of Dynamiq does. */
const sender =
  (address: string, key = KEY) =>
  async (path: string, form: FormData | { body: string | Buffer; type: string }, headers = {}) => {
    const response = await fetch(`${address}/dynamiq${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        ...headers,
        ...(!(form instanceof FormData) && { 'content-type': form.type }),
      },
      body: form instanceof FormData ? form : form.body,
    })
    // biome-ignore lint/suspicious/noExplicitAny: a reply is whatever the test says it is.
    return { status: response.status, body: (await response.json()) as any }
  }

function formOf(parts: Record<string, string | File | (string | File)[]>): FormData {
  const form = new FormData()
  for (const [name, values] of Object.entries(parts)) for (const value of [values].flat()) form.append(name, value)
  return form
}

const fileOf = (content: string | Buffer<ArrayBuffer>, name: string, type = 'text/plain') =>
  new File([content], name, { type })

const bytesOf = async (address: string, id: string, key = KEY) => {
  const response = await fetch(`${address}/v1/files/${id}`, { headers: { authorization: `Bearer ${key}` } })
  return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) }
}

test('a file is uploaded, used by a run, and read back byte for byte by its executor', async () => {
  const { call, native, address } = await dynamiqYard()
  await addApp(native)
  const content = Buffer.alloc(3 * MIB + 7, 'abc\u0000\u00ff', 'latin1')
  const upload = await sender(address)('/v1/files', formOf({ file: fileOf(content, 'répört 1.csv', 'text/csv') }))
  expect(upload).toEqual({
    status: 200,
    body: {
      data: { id: expect.stringMatching(UUID), name: 'répört 1.csv', size: content.length, mime_type: 'text/csv' },
    },
  })
  const file = upload.body.data
  await call('POST', '/v1/runs', { input: { read: 'it' }, file_ids: [file.id], background: true })
  const { body } = await native('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 5 })
  expect(body.runs[0].run.payload ?? body.runs[0].payload).toEqual({ input: { read: 'it' }, files: [file] })
  const read = await bytesOf(address, file.id, body.runs[0].run_token)
  expect([read.status, read.bytes.equals(content)]).toEqual([200, true])
  expect(read.headers.get('content-length')).toBe(String(content.length))
  expect(read.headers.get('content-type')).toBe('application/octet-stream')
  expect(read.headers.get('content-disposition')).toBe(
    `attachment; filename="r_p_rt_1.csv"; filename*=UTF-8''r%C3%A9p%C3%B6rt%201.csv`,
  )
  expect((await bytesOf(address, file.id)).bytes.equals(content)).toBe(true)
  const shown = await call('GET', `/v1/runs/${body.runs[0].run.id}`)
  expect(shown.body.data.input).toEqual({ read: 'it' })
})

test('a run can be created by a form that contains its files', async () => {
  const { call, native, address } = await dynamiqYard()
  await addApp(native)
  const send = sender(address)
  const before = (await send('/v1/files', formOf({ file: fileOf('0', 'zero.txt') }))).body.data
  const made = await send(
    '/v1/runs',
    formOf({
      files: [fileOf('one', 'one.txt'), fileOf('', 'empty.bin', 'application/octet-stream')],
      input: '{"q":1}',
      user_id: 'ada',
      background: 'true',
      file_ids: [before.id],
      color: 'red',
      ignored: fileOf('x', 'ignored.txt'),
    }),
  )
  expect(made).toMatchObject({ status: 202, body: { data: { input: { q: 1 }, user_id: 'ada', status: 'created' } } })
  const { body } = await native('GET', `/v1/runs/${made.body.data.id}?include=payload`)
  expect(body.payload.files.map((file: { name: string; size: number }) => [file.name, file.size])).toEqual([
    ['zero.txt', 1],
    ['one.txt', 3],
    ['empty.bin', 0],
  ])
  expect((await bytesOf(address, body.payload.files[1].id)).bytes.toString()).toBe('one')
  expect((await bytesOf(address, body.payload.files[2].id)).bytes.length).toBe(0)
  const plain = sender(address)('/v1/runs', formOf({ input: 'just text' }))
  await (await claim(native)).write('/complete')
  await (await claim(native)).write('/complete', { result: 'done' })
  expect(await plain).toMatchObject({ status: 200, body: { data: { input: 'just text', output: 'done' } } })
  expect((await call('GET', '/v1/runs')).body.pagination.total_count).toBe(2)
})

test('a form that is sent again with its idempotency key returns the same run, and its files are stored once', async () => {
  const { call, native, address, url } = await dynamiqYard()
  await addApp(native)
  const again = async (content: string, name = 'a.txt') => {
    const form = formOf({ files: fileOf(content, name), input: '1', background: 'true' })
    return sender(address)('/v1/runs', form, { 'idempotency-key': 'k' })
  }
  const first = await again('one')
  expect(first.status).toBe(202)
  expect(await again('one')).toMatchObject({ status: 202, body: { data: { id: first.body.data.id } } })
  for (const other of [again('two'), again('one', 'b.txt')])
    expect(await other).toMatchObject({ status: 409, body: { error: { code: 'conflict' } } })
  expect((await call('GET', '/v1/runs')).body.pagination.total_count).toBe(1)
  expect(await left(url)).toEqual({ files: 1, chunks: 1, bytes: 3 })
})

test('an invalid form is refused with its errors, and leaves no file and no run behind', async () => {
  const { call, native, address, url } = await dynamiqYard()
  await addApp(native)
  const send = sender(address)
  const one = fileOf('1', '1.txt')
  const refused = async (path: string, form: Parameters<typeof send>[1]) => {
    const { status, body } = await send(path, form)
    return [status, body.error.code, Object.keys(body.error.details ?? {})]
  }
  expect(await refused('/v1/files', formOf({}))).toEqual([400, 'bad_request', ['file']])
  expect(await refused('/v1/files', formOf({ other: one }))).toEqual([400, 'bad_request', ['file']])
  expect(await refused('/v1/files', formOf({ file: 'text' }))).toEqual([400, 'bad_request', ['file']])
  expect(await refused('/v1/files', formOf({ file: [one, one] }))).toEqual([400, 'bad_request', ['file']])
  expect(await refused('/v1/files', { body: '{}', type: 'application/json' })).toEqual([400, 'bad_request', ['file']])
  expect(await refused('/v1/files', { body: 'x', type: 'multipart/form-data' })).toEqual([
    400,
    'bad_request',
    ['request'],
  ])
  const cut = '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhalf of it'
  expect(await refused('/v1/files', { body: cut, type: 'multipart/form-data; boundary=b' })).toEqual([
    400,
    'bad_request',
    ['request'],
  ])
  expect(await refused('/v1/runs', formOf({ files: one }))).toEqual([400, 'bad_request', ['input']])
  expect(await refused('/v1/runs', formOf({ files: one, input: '1', background: 'perhaps' }))).toEqual([
    400,
    'bad_request',
    ['background'],
  ])
  expect(await refused('/v1/runs', formOf({ files: one, input: '"\\u0000"' }))).toEqual([400, 'bad_request', ['input']])
  expect(await refused('/v1/runs', formOf({ files: one, input: '1', user_id: '\u0000' }))).toEqual([
    400,
    'bad_request',
    ['user_id'],
  ])
  expect(await refused('/v1/runs', formOf({ files: one, input: '1', file_ids: 'x' }))).toEqual([
    400,
    'bad_request',
    ['file_ids'],
  ])
  expect(await refused('/v1/runs', formOf({ files: Array(21).fill(one), input: '1' }))).toEqual([
    400,
    'bad_request',
    ['request'],
  ])
  expect((await call('GET', '/v1/runs')).body.pagination.total_count).toBe(0)
  expect(await left(url)).toEqual({ files: 0, chunks: 0, bytes: 0 })
})

test('a file of more than 128 MiB is refused, and nothing of it is stored', { timeout: 60_000 }, async () => {
  const { address, url } = await dynamiqYard()
  const form = formOf({ file: fileOf(Buffer.alloc(128 * MIB + 1), 'more.bin') })
  expect(await sender(address)('/v1/files', form)).toMatchObject({
    status: 413,
    body: { error: { code: 'payload_too_large' } },
  })
  expect(await left(url)).toEqual({ files: 0, chunks: 0, bytes: 0 })
})

test('a client that disconnects in the middle of a file leaves nothing behind', async () => {
  const { address, url } = await dynamiqYard()
  const sent = request(`${address}/dynamiq/v1/files`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'multipart/form-data; boundary=b' },
  })
  sent.on('error', () => {})
  sent.write('--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n')
  sent.write(Buffer.alloc(2 * MIB))
  await until(
    () => left(url),
    (row) => row.chunks > 0,
  )
  sent.destroy()
  await until(
    () => left(url),
    (row) => row.chunks === 0,
  )
  expect(await left(url)).toEqual({ files: 0, chunks: 0, bytes: 0 })
})

test('a deleted file is gone, and its space is free again', async () => {
  const { native, address, url } = await dynamiqYard()
  const form = formOf({ file: fileOf(Buffer.alloc(2 * MIB), 'two.bin') })
  const { id } = (await sender(address)('/v1/files', form)).body.data
  expect(await left(url)).toEqual({ files: 1, chunks: 2, bytes: 2 * MIB })
  expect((await native('DELETE', `/v1/files/${id}`)).status).toBe(204)
  expect((await native('DELETE', `/v1/files/${id}`)).body.error.code).toBe('file_not_found')
  expect((await bytesOf(address, id)).status).toBe(404)
  expect(await left(url)).toEqual({ files: 0, chunks: 0, bytes: 0 })
})

test('a file of another project is not found, with a key or a run token', async () => {
  const { call, native, address, stranger } = await dynamiqYard()
  await addApp(native)
  const { id } = (await sender(address)('/v1/files', formOf({ file: fileOf('x', 'x') }))).body.data
  const other = await native('POST', '/v1/projects', { id: 'third' })
  expect((await bytesOf(address, id, other.body.key)).status).toBe(404)
  const third = callerOf(address, other.body.key)
  await third('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  await third('POST', '/v1/jobs/j/runs', {})
  const { body } = await third('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 5 })
  expect((await bytesOf(address, id, body.runs[0].run_token)).status).toBe(404)
  expect((await bytesOf(address, 'no-uuid')).status).toBe(404)
  const named = await stranger('POST', '/v1/runs', { input: 1, file_ids: [id] })
  expect(named.status).toBe(400)
  const reader = await native('POST', '/v1/keys', { name: 'r', scopes: ['runs:read'] })
  const refused = await sender(address, reader.body.key)('/v1/files', formOf({ file: fileOf('x', 'x') }))
  expect(refused).toMatchObject({ status: 403, body: { error: { code: 'forbidden' } } })
  expect((await bytesOf(address, id, reader.body.key)).status).toBe(200)
  expect((await native('DELETE', `/v1/files/${id}`, undefined, { key: reader.body.key })).status).toBe(403)
  await call('POST', '/v1/runs', { input: 1, background: true })
})

/** What is stored of files. */
async function left(url: string) {
  const sql = connect(url, { max: 1 })
  const [row] = await sql<{ files: number; chunks: number; bytes: number }[]>`
    select (select count(*) from files) as files, (select count(*) from file_chunks) as chunks,
      (select coalesce(sum(bytes), 0)::bigint from file_sums) as bytes`
  await sql.end()
  return row!
}

test('a file that is deleted on another node while it is read is not found or breaks off, and is never a 500', async () => {
  const { address, url } = await dynamiqYard()
  const other = callerOf((await openNode(url)).address)
  const upload = async (content: string | Buffer<ArrayBuffer>): Promise<string> =>
    (await sender(address)('/v1/files', formOf({ file: fileOf(content, 'f') }))).body.data.id

  // Its row was read, and its bytes are gone a moment later.
  const torn = await upload('abc')
  const sql = connect(url, { max: 1 })
  await sql`delete from file_chunks where file_id = ${torn}`
  await sql.end({ timeout: 1 })
  expect((await bytesOf(address, torn)).status).toBe(404)

  // A reader that takes its time, so that most of the file is read after it was deleted.
  const large = await upload(Buffer.alloc(24 * MIB, 'x'))
  const response = await fetch(`${address}/v1/files/${large}`, { headers: { authorization: `Bearer ${KEY}` } })
  expect(response.status).toBe(200)
  expect((await other('DELETE', `/v1/files/${large}`)).status).toBe(204)
  await expect(response.arrayBuffer()).rejects.toThrow()
  expect((await bytesOf(address, large)).status).toBe(404)

  const statuses = new Set<number>()
  for (let i = 0; i < 15; i++) {
    const id = await upload('abc')
    const reads = Array.from({ length: 6 }, async () => statuses.add((await bytesOf(address, id)).status))
    await Promise.all([...reads, other('DELETE', `/v1/files/${id}`)])
  }
  expect([...statuses].filter((status) => status !== 200 && status !== 404)).toEqual([])
})
