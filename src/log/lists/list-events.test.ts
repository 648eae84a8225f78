import fc from 'fast-check'
import { expect, test } from 'vitest'
import { newId } from '#postgres/id.ts'
import { suiteDatabase } from '#test/support/db.ts'
import { addRun, PROJECT, prepareLog } from '#test/support/log.ts'
import { appendEvents } from '../append-events.sql.ts'
import { type Count, type CountFilter, countByActor, countEvents } from '../counts/count-events.sql.ts'
import type { LogEvent } from '../event-columns.sql.ts'
import { findEvent } from '../find-event.sql.ts'
import type { NewEvent } from '../new-event.sql.ts'
import type { EventFilter } from './event-filter.sql.ts'
import { countListed } from './list-events.sql.ts'
import { listEvents } from './list-events.ts'

const { sql } = await suiteDatabase()
const jobId = await prepareLog(sql)
await prepareLog(sql, 'other')

const runs = await Promise.all(
  Array.from({ length: 4 }, (_, i) =>
    addRun(sql, jobId, { correlationId: `chain-${i % 2}`, agentId: `agent-${i % 3}` }),
  ),
)
const pick = <Value>(values: readonly Value[]): Value => values[Math.floor(Math.random() * values.length)]!
const TYPES = [
  'a.started',
  'a.completed',
  'b.failed',
  'c.noted',
  'policy.allowed',
  'run.started',
  'agent.action.completed',
]
const START_MS = Date.UTC(2026, 0, 1, 10)

// Few different values, so that filters meet, and that many events have the same time.
const appended: NewEvent[] = Array.from({ length: 400 }, (_, i) => {
  const projectId = i % 10 === 0 ? 'other' : PROJECT
  const ofRun = projectId === PROJECT && Math.random() < 0.5
  return {
    id: newId(),
    idGiven: i % 7 === 0,
    projectId,
    // An everyday type that is rare here.
    type: i % 130 === 5 ? 'run.dequeued' : pick(TYPES),
    occurredAt: new Date(START_MS + Math.floor(Math.random() * 20) * 1_000_000),
    actor: { type: pick(['user', 'agent', 'worker', 'system'] as const), id: pick(['x', 'y', null]) },
    ...(ofRun
      ? { runId: pick(runs).runId }
      : { correlationId: `chain-${i % 3}`, agentId: pick(['agent-0', 'agent-9']) }),
    ...(!ofRun || Math.random() < 0.2
      ? { resourceType: pick(['file', 'key', 'agent']), resourceId: pick(['1', '2', 'agent-0']) }
      : {}),
  }
})
for (let from = 0; from < appended.length; from += 50) await appendEvents(sql, appended.slice(from, from + 50))

/** The whole log of the project, oldest first, read without any filter. */
const all = await listEvents(sql, { projectId: PROJECT, order: 'oldest first', limit: 1_000 })

const passes = (filter: EventFilter) => (event: LogEvent) =>
  (!filter.types || filter.types.includes(event.type)) &&
  (!filter.resource ||
    (filter.resource.types.includes(event.resourceType ?? '') &&
      (filter.resource.id === undefined || filter.resource.id === event.resourceId))) &&
  (filter.actorType === undefined || filter.actorType === event.actorType) &&
  (filter.actorId === undefined || filter.actorId === event.actorId) &&
  (filter.correlationId === undefined || filter.correlationId === event.correlationId) &&
  (filter.runId === undefined || filter.runId === event.runUuid) &&
  (filter.agentId === undefined || filter.agentId === event.agentId) &&
  (!filter.occurredFrom || event.occurredAt >= filter.occurredFrom) &&
  (!filter.occurredTo || event.occurredAt < filter.occurredTo)

const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined, freq: 2 })
const someOf = (values: string[]) => fc.uniqueArray(fc.constantFrom(...values), { maxLength: 3 })
const moment = fc.integer({ min: -1, max: 21 }).map((step) => new Date(START_MS + step * 1_000_000))
const filters: fc.Arbitrary<EventFilter> = fc.record({
  projectId: fc.constant(PROJECT),
  types: maybe(someOf([...TYPES, 'run.created', 'run.dequeued', 'none'])),
  resource: maybe(
    fc.record({
      types: someOf(['run', 'file', 'key', 'agent', 'none']),
      id: maybe(fc.constantFrom('1', '2', 'agent-0', runs[0]!.runId, runs[1]!.runId)),
    }),
  ),
  actorType: maybe(fc.constantFrom('user', 'agent', 'worker', 'system', 'api_key')),
  actorId: maybe(fc.constantFrom('x', 'y')),
  correlationId: maybe(fc.constantFrom('chain-0', 'chain-1', 'chain-2', 'none')),
  runId: maybe(fc.constantFrom(...runs.map((run) => run.runId), newId())),
  agentId: maybe(fc.constantFrom('agent-0', 'agent-1', 'agent-9')),
  occurredFrom: maybe(moment),
  occurredTo: maybe(moment),
})

const ids = (events: readonly LogEvent[]) => events.map((event) => event.id)

test('the list of a project is complete, in time order, and has nothing of another project', () => {
  const own = appended.filter((event) => event.projectId === PROJECT)
  expect(all).toHaveLength(own.length + runs.length)
  const times = all.map((event) => event.occurredAt.getTime() * 1e9 + event.position)
  expect(times).toEqual(times.toSorted((a, b) => a - b))
})

test('any combination of filters selects exactly what it should, as a whole or in pages, from both ends', {
  timeout: 60_000,
}, async () => {
  const shape = fc.record({ filter: filters, newest: fc.boolean(), limit: fc.integer({ min: 1, max: 60 }) })
  await fc.assert(
    fc.asyncProperty(shape, async ({ filter, newest, limit }) => {
      const order = newest ? 'newest first' : 'oldest first'
      const wanted = ids((newest ? all.toReversed() : all).filter(passes(filter)))
      const found: LogEvent[] = []
      for (let full = true; full; ) {
        const last = found.at(-1)
        const after = last && { occurredAt: last.occurredAt, position: last.position }
        const page = await listEvents(sql, { ...filter, order, after, limit })
        found.push(...page)
        full = page.length === limit
      }
      expect(ids(found)).toEqual(wanted)
      const skipped = await listEvents(sql, { ...filter, order, limit, offset: 3 })
      expect(ids(skipped)).toEqual(wanted.slice(3, 3 + limit))
      expect(await countListed(sql, filter, 50)).toBe(Math.min(50, wanted.length))
    }),
    { numRuns: 150 },
  )
})

test('counts agree with the list for any period', { timeout: 60_000 }, async () => {
  const spans = fc.record({
    from: maybe(moment),
    to: maybe(moment),
    types: maybe(someOf(TYPES)),
    resourceTypes: maybe(someOf(['run', 'file', 'key'])),
  })
  const tally = (values: (string | null)[]): Count[] =>
    [
      ...Map.groupBy(
        values.filter((value) => value !== null),
        (value) => value,
      ),
    ]
      .map(([key, same]) => ({ key, count: same.length }))
      .sort((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1))
  await fc.assert(
    fc.asyncProperty(spans, async (span) => {
      const filter: CountFilter = { projectId: PROJECT, ...span }
      const { types, resourceTypes, from, to } = span
      const resource = resourceTypes && { types: resourceTypes }
      const wanted = all.filter(passes({ projectId: PROJECT, types, resource, occurredFrom: from, occurredTo: to }))
      expect(await countEvents(sql, filter)).toEqual({
        total: wanted.length,
        byType: tally(wanted.map((event) => event.type)),
        byResourceType: tally(wanted.map((event) => event.resourceType)),
        byActorType: tally(wanted.map((event) => event.actorType)),
      })
      const byActor = Map.groupBy(wanted, (event) => `${event.actorType} ${event.actorId}`)
      const counted = await countByActor(sql, filter, 100)
      expect(counted).toHaveLength(byActor.size)
      for (const { actorType, actorId, total, successes, failures } of counted) {
        const own = byActor.get(`${actorType} ${actorId}`) ?? []
        const ending = (text: string) => own.filter((event) => event.type.endsWith(text)).length
        expect({ total, successes, failures }).toEqual({
          total: own.length,
          successes: ending('.completed'),
          failures: ending('.failed'),
        })
      }
    }),
    { numRuns: 100 },
  )
})

test('an event is found by its id, only in its own project, whoever chose the id', async () => {
  for (const { id, projectId } of appended.slice(0, 30)) {
    expect(await findEvent(sql, projectId, id!)).toMatchObject({ id, projectId })
    expect(await findEvent(sql, projectId === PROJECT ? 'other' : PROJECT, id!)).toBeUndefined()
  }
  const given = {
    projectId: PROJECT,
    id: '6a1f3c2e-0000-4000-8000-000000000001',
    idGiven: true,
    type: 'x',
    actor: { type: 'user', id: 'u' },
  } as const
  // A time inside that has nothing to do with when it was recorded.
  const odd = { ...given, id: 'ffffffff-ffff-7fff-bfff-ffffffffffff', idGiven: false }
  const early = { ...given, id: '00000000-0001-7fff-bfff-ffffffffffff', idGiven: false }
  await appendEvents(sql, [given, odd, early])
  for (const { id } of [given, odd, early]) expect(await findEvent(sql, PROJECT, id)).toMatchObject({ id })
  expect(await findEvent(sql, PROJECT, newId())).toBeUndefined()
})
