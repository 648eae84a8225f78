import { describe, expect, test } from 'vitest'
import { at, vaiYard } from '../../support/vai-yard.ts'

const THING = '497f6eca-6276-4993-bfeb-53cbbbba6f08'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

describe('events at /vai', () => {
  test('an event has every documented field, in camelCase, alone and in a list', async () => {
    const { get, call, report } = await vaiYard()
    const cause = await report({ type: 'schedule.fired', resource_type: 'automation', correlation_id: 'chain' })
    const id = await report({
      type: 'artifact.created',
      resource_type: 'artifact',
      resource_id: THING,
      correlation_id: 'chain',
      causation_id: cause,
      occurred_at: '2019-08-24T14:15:22Z',
      data: { pages: 3, deep: { snake_case: [1] } },
    })
    const key = (await call('GET', '/v1/keys')).body.data[0]
    const expected = {
      id,
      tenantId: 'default',
      eventType: 'artifact.created',
      resourceType: 'artifact',
      resourceId: THING,
      actorType: 'api_key',
      actorId: key.id,
      correlationId: 'chain',
      causationId: cause,
      occurredAt: '2019-08-24T14:15:22.000Z',
      payload: { pages: 3, deep: { snake_case: [1] } },
    }
    expect(await get(`/${id}`)).toMatchObject({ status: 200, body: expected })
    const list = await get('?event_type=artifact.created')
    expect(list.body).toEqual({ events: [expected], total: 1, limit: 100, offset: 0, hasNext: false })
  })

  test('an event without a resource, a cause or data has nulls and an empty payload', async () => {
    const { get, report } = await vaiYard()
    const id = await report({ type: 'template.listed', resource_type: 'template' })
    expect((await get(`/${id}`)).body).toMatchObject({
      resourceId: null,
      causationId: null,
      correlationId: id,
      payload: {},
    })
    const text = await report({ type: 'template.noted', resource_type: 'template', data: 'a word' })
    expect((await get(`/${text}`)).body.payload).toEqual({ value: 'a word' })
  })

  test('an event without a subject is not shown', async () => {
    const { get, report } = await vaiYard()
    const id = await report({ type: 'something.noted' })
    expect(await get(`/${id}`)).toMatchObject({ status: 404, body: { detail: 'Event not found' } })
    expect((await get('?event_type=something.noted')).body).toMatchObject({ events: [], total: 0, hasNext: false })
    const { total, byEventType } = (await get('/aggregate')).body
    expect(byEventType.map((count: { key: string }) => count.key)).not.toContain('something.noted')
    expect(total).toBe((await get('')).body.total)
  })
})

describe('lists at /vai', () => {
  test('lists are newest first, except those of a correlation, which are oldest first', async () => {
    const { get, report } = await vaiYard()
    for (const minute of [2, 0, 1])
      await report({
        type: 'a.done',
        resource_type: 'artifact',
        resource_id: THING,
        correlation_id: 'c',
        occurred_at: at(minute),
      })
    const times = async (path: string) =>
      (await get(path)).body.events.map((event: { occurredAt: string }) => event.occurredAt)
    expect(await times('?event_type=a.done')).toEqual([at(2), at(1), at(0)])
    expect(await times(`/resource/artifact/${THING}`)).toEqual([at(2), at(1), at(0)])
    expect(await times('/correlation/c')).toEqual([at(0), at(1), at(2)])
  })

  test('every page of a list, including the last, says how many events there are and whether there are more', async () => {
    const { get, report } = await vaiYard()
    for (let i = 0; i < 5; i++)
      await report({
        type: 'a.done',
        resource_type: 'artifact',
        resource_id: THING,
        correlation_id: 'c',
        occurred_at: at(i),
      })
    for (const path of [
      '?event_type=a.done&',
      '/correlation/c?',
      `/resource/artifact/${THING}?`,
      `?resource_id=${THING}&`,
    ]) {
      const seen: string[] = []
      for (const [offset, size, hasNext] of [
        [0, 2, true],
        [2, 2, true],
        [4, 1, false],
        [5, 0, false],
        [900, 0, false],
      ] as const) {
        const { body } = await get(`${path}limit=2&offset=${offset}`)
        expect(body, path).toMatchObject({ total: 5, limit: 2, offset, hasNext })
        expect(body.events).toHaveLength(size)
        seen.push(...body.events.map((event: { id: string }) => event.id))
      }
      expect(new Set(seen).size).toBe(5)
      expect((await get(`${path}limit=1&offset=4`)).body.hasNext).toBe(false)
    }
  })

  test('filters combine with AND, and match exactly', async () => {
    const { get, report } = await vaiYard()
    await report({ type: 'a.done', resource_type: 'artifact', resource_id: THING, occurred_at: at(0) })
    await report({ type: 'a.done', resource_type: 'template', resource_id: THING, occurred_at: at(1) })
    await report({ type: 'a.done_twice', resource_type: 'artifact', resource_id: THING, occurred_at: at(2) })
    const total = async (path: string) => (await get(path)).body.total
    expect(await total(`?event_type=a.done&resource_type=artifact&resource_id=${THING}`)).toBe(1)
    expect(await total(`?resource_type=artifact&resource_id=${THING}`)).toBe(2)
    expect(await total(`?resource_id=${THING}`)).toBe(3)
    expect(await total(`?resource_id=${THING.toUpperCase()}`)).toBe(3)
    expect(await total(`?resource_id=${THING}&from=${at(1)}&to=${at(2)}`)).toBe(1)
    expect(await total('?event_type=a.done')).toBe(2)
    expect(await total('?event_type=a')).toBe(0)
    const unknown = await get('?event_type=a.done&something_else=1')
    expect([unknown.status, unknown.body.detail]).toEqual([
      422,
      [
        {
          type: 'extra_forbidden',
          loc: ['query', 'something_else'],
          msg: 'Extra inputs are not permitted',
          input: '1',
        },
      ],
    ])
  })

  test('a period includes its start and excludes its end; times without a zone are UTC', async () => {
    const { get, report } = await vaiYard()
    for (const minute of [0, 1, 2]) await report({ type: 'a.done', resource_type: 'artifact', occurred_at: at(minute) })
    const total = async (query: string) => (await get(`?${query}`)).body.total
    expect(await total(`from=${at(0)}&to=${at(2)}`)).toBe(2)
    expect(await total('from=2026-05-05T10:01&to=2026-05-05 10:02')).toBe(1)
    expect(await total('from=2026-05-05T12:01:00%2B02:00&to=2026-05-06')).toBe(2)
    expect(await total('from=2026-05-05&to=2026-05-05')).toBe(0)
    expect(await total(`from=${Date.parse(at(1)) / 1000}&to=2026-06-01`)).toBe(2)
    expect(await total('from=2026-05-05T10:00:00.000001&to=2026-05-06')).toBe(2)
    expect(await total('from=0001-01-01&to=9999-12-31T23:59:59.999999')).toBeGreaterThanOrEqual(3)
    expect(await get('?from=2026-06-01&to=2026-05-01')).toMatchObject({
      status: 200,
      body: { events: [], total: 0, hasNext: false },
    })
    expect((await get('/aggregate?from=2026-06-01&to=2026-05-01')).body.total).toBe(0)
  })

  test('a correlation id may be any text', async () => {
    const { get, report } = await vaiYard()
    const odd = 'orders/7: “größe” 100%'
    await report({ type: 'a.done', resource_type: 'artifact', correlation_id: odd })
    expect((await get(`/correlation/${encodeURIComponent(odd)}`)).body).toMatchObject({
      total: 1,
      events: [{ correlationId: odd }],
    })
    expect((await get('/correlation/aggregate')).body).toEqual({
      events: [],
      total: 0,
      limit: 100,
      offset: 0,
      hasNext: false,
    })
  })
})

describe('the resources of events', () => {
  test('runs and jobs are action runs and automations, with their own ids', async () => {
    const { get, call } = await vaiYard()
    const job = (await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })).body
    const run = (await call('POST', '/v1/jobs/j/runs', {})).body.run
    const id = run?.id ?? (await call('GET', '/v1/runs?limit=1')).body.data[0].id
    await call('DELETE', `/v1/runs/${id}`)
    const ofRun = await get(`/resource/action_run/${id}`)
    expect(ofRun.body.events.map((event: { eventType: string }) => event.eventType)).toEqual([
      'run.canceled',
      'run.created',
    ])
    expect(ofRun.body.events[0]).toMatchObject({ resourceType: 'action_run', resourceId: id })
    expect((await get(`/resource/automation/${job.id}`)).body.events).toMatchObject([{ eventType: 'job.created' }])
    expect((await get(`/resource/automation/${id}`)).body.total).toBe(0)
    expect((await get('?resource_type=action_run')).body.total).toBe(2)
  })

  test('a resource without a UUID gets a stable one, by which it is found again', async () => {
    const { get, report } = await vaiYard()
    const first = await report({ type: 'file.written', resource_type: 'artifact', resource_id: 'report.pdf' })
    const second = await report({ type: 'file.read', resource_type: 'artifact', resource_id: 'report.pdf' })
    await report({ type: 'file.read', resource_type: 'template', resource_id: 'report.pdf' })
    const { resourceId } = (await get(`/${first}`)).body
    expect(resourceId).toMatch(UUID)
    expect(resourceId[14]).toBe('5')
    for (const path of [
      `/resource/artifact/${resourceId}`,
      `?resource_id=${resourceId}`,
      `?resource_id=${resourceId}&resource_type=artifact`,
    ])
      expect(
        (await get(path)).body.events.map((event: { id: string }) => event.id),
        path,
      ).toEqual([second, first])
    expect((await get(`/resource/template/${resourceId}`)).body.total).toBe(0)
  })

  test('an external run is found by the id with which it is shown, UUID or not', async () => {
    const { get, report } = await vaiYard()
    for (const runId of ['run-42', THING, THING.toUpperCase().replace('4', '5')]) {
      const id = await report({ type: 'step.done', run_id: runId })
      const { resourceId, resourceType } = (await get(`/${id}`)).body
      expect(resourceType).toBe('action_run')
      if (runId !== 'run-42') expect(resourceId).toBe(runId.toLowerCase())
      expect((await get(`/resource/action_run/${resourceId}`)).body.events, runId).toMatchObject([{ id }])
    }
    // The same run, named like any other thing.
    await report({ type: 'run_noted.done', resource_type: 'run', resource_id: 'run-42' })
    const { resourceId } = (await get('?event_type=run_noted.done')).body.events[0]
    expect((await get(`/resource/action_run/${resourceId}`)).body.total).toBe(2)
    expect((await get('?resource_type=action_run')).body.total).toBe(4)
  })

  test('each of the eleven types is itself, and an unknown type is an artifact', async () => {
    const { get, report } = await vaiYard()
    const kinds =
      'action_run agent_spec artifact automation automation_run chat_thread connection decision flashboard inbound_message template'
    for (const kind of kinds.split(' ')) {
      const id = await report({ type: 'kind.tried', resource_type: kind, resource_id: `a ${kind}` })
      expect((await get(`/${id}`)).body.resourceType).toBe(kind)
      expect((await get(`?resource_type=${kind}&event_type=kind.tried`)).body.total).toBe(1)
    }
    const id = await report({ type: 'kind.tried', resource_type: 'toString', resource_id: 'x' })
    expect((await get(`/${id}`)).body.resourceType).toBe('artifact')
    expect((await get('?resource_type=artifact&event_type=kind.tried')).body.total).toBe(2)
    const { byResourceType } = (await get(`/aggregate?from=${new Date(Date.now() - 60_000).toISOString()}`)).body
    expect(byResourceType).toContainEqual({ key: 'artifact', count: 2 })
  })
})
