import { describe, expect, test } from 'vitest'
import { foldCounts } from '#log/counts/fold-counts.sql.ts'
import { connect } from '#postgres/sql.ts'
import { at, vaiYard } from '../../support/vai-yard.ts'

describe('counts at /vai', () => {
  test('counts agree with the list and with each other, most frequent first, for any period', async () => {
    const { get, report } = await vaiYard()
    const types = ['a.completed', 'b.failed', 'c.noted', 'a.completed']
    for (const [index, type] of types.entries())
      await report({ type, resource_type: ['artifact', 'thing', 'template'][index % 3], occurred_at: at(index * 10) })
    await report({ type: 'nothing.done', occurred_at: at(5) })
    for (const span of ['?from=2026-05-05&to=2026-05-06', `?from=${at(10)}&to=${at(30)}`, `?from=${at(1)}`, '']) {
      const [list, counts, actors] = [
        await get(span),
        await get(`/aggregate${span}`),
        await get(`/stats/by-actor${span}`),
      ]
      const sum = (items: Record<string, number>[], field: string) => items.reduce((n, item) => n + item[field]!, 0)
      const { total, byEventType, byResourceType, byActorType } = counts.body
      expect(total, span).toBe(list.body.total)
      for (const by of [byEventType, byResourceType, byActorType]) expect(sum(by, 'count')).toBe(total)
      expect(sum(actors.body.actors, 'total')).toBe(total)
    }
    expect((await get('/aggregate?from=2026-05-05&to=2026-05-06')).body).toEqual({
      total: 4,
      byEventType: [
        { key: 'a.completed', count: 2 },
        { key: 'b.failed', count: 1 },
        { key: 'c.noted', count: 1 },
      ],
      byResourceType: [
        { key: 'artifact', count: 3 },
        { key: 'template', count: 1 },
      ],
      byActorType: [{ key: 'api_key', count: 4 }],
    })
    const { actors } = (await get('/stats/by-actor?from=2026-05-05&to=2026-05-06')).body
    expect(actors).toMatchObject([
      { actorType: 'api_key', actorId: expect.any(String), total: 4, successes: 2, failures: 1 },
    ])
    expect(Object.keys(actors[0]).sort()).toEqual(['actorId', 'actorType', 'failures', 'successes', 'total'])
  })

  test('canceled or rejected is neither a success nor a failure', async () => {
    const { get, report } = await vaiYard()
    for (const type of ['x.canceled', 'x.cancelled', 'x.rejected', 'x.started', 'x.fired', 'x.approved', 'x.timed_out'])
      await report({ type, resource_type: 'decision', occurred_at: at(1) })
    const { actors } = (await get('/stats/by-actor?from=2026-05-05&to=2026-05-06')).body
    expect(actors).toMatchObject([{ total: 7, successes: 1, failures: 1 }])
  })

  test('counts are unchanged when past hours are folded', async () => {
    const { get, report, url } = await vaiYard()
    for (let hour = 0; hour < 5; hour++)
      await report({ type: 'a.completed', resource_type: 'artifact', occurred_at: `2026-05-05T0${hour}:30:00Z` })
    const paths = ['', '/aggregate', '/stats/by-actor'].map(
      (path) => `${path}?from=2026-05-05T01:15&to=2026-05-05T04:45`,
    )
    const read = () => Promise.all(paths.map(async (path) => (await get(path)).body))
    const before = await read()
    expect(before[0]).toMatchObject({ total: 4 })
    const sql = connect(url)
    const folded = await foldCounts(sql).finally(() => sql.end())
    // The engine of the node may have been faster.
    expect(folded).toBeLessThanOrEqual(5)
    expect(await read()).toEqual(before)
  })
})
