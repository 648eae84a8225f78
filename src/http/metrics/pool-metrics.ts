// How the connections of this node to PostgreSQL are used, by pool.
import type { Registry } from 'prom-client'
import { type PoolReading, readPool, type Sql } from '#postgres/sql.ts'
import { addReadSeries, histogramValues, type SeriesValue } from './read-series.ts'

/** By what they are for: calls, lists and the engine. */
export type NamedPools = Readonly<Record<string, Sql>>

const WAITS = 'runyard_database_wait_seconds'
const STATEMENTS = 'runyard_database_statement_seconds'

export function addPoolSeries(registry: Registry, pools: NamedPools): void {
  const each = (valuesOf: (pool: string, reading: PoolReading) => SeriesValue[]) => () =>
    Object.entries(pools).flatMap(([pool, sql]) => valuesOf(pool, readPool(sql)))
  addReadSeries(registry, {
    name: WAITS,
    help: 'Time that transactions, and statements which found no connection free, waited for one of this node, by pool.',
    type: 'histogram',
    read: each((pool, { waits }) => histogramValues(WAITS, { pool }, waits)),
  })
  addReadSeries(registry, {
    name: STATEMENTS,
    help: 'Time from asking a statement to its answer, the wait for a connection included, of this node by pool.',
    type: 'histogram',
    read: each((pool, { statements }) => histogramValues(STATEMENTS, { pool }, statements)),
  })
  addReadSeries(registry, {
    name: 'runyard_database_connections',
    help: 'Connections of this node to PostgreSQL by pool, and whether anything is under way on them.',
    type: 'gauge',
    read: each((pool, { busy, idle }) => [
      { labels: { pool, state: 'busy' }, value: busy },
      { labels: { pool, state: 'idle' }, value: idle },
    ]),
  })
  addReadSeries(registry, {
    name: 'runyard_database_connections_max',
    help: 'Connections that a pool of this node may open to PostgreSQL.',
    type: 'gauge',
    read: each((pool, { max }) => [{ labels: { pool }, value: max }]),
  })
  addReadSeries(registry, {
    name: 'runyard_database_waiting',
    help: 'Statements and transactions of this node that wait for a connection, by pool.',
    type: 'gauge',
    read: each((pool, { waiting }) => [{ labels: { pool }, value: waiting }]),
  })
}
