// The walls of the house, read from the source text. The reasons are in docs/architecture.md. Every list of exceptions
// here only shrinks.
import { globSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { expect, test } from 'vitest'
import { code, cyclesOf, filesOf, roomOf } from './source-files.ts'

/** The staircase: a room imports itself and the rooms before it. */
const STAIRS = [
  'core',
  'postgres',
  'bell',
  'log',
  'access',
  'run-state',
  'jobs',
  'usage',
  'runs',
  'hooks',
  'dispatch',
  'agents',
  'gateway',
  'bulk',
  'files',
  'insight',
  'otlp',
  'webhooks',
  'alerts',
  'upkeep',
]
/** The rooms at the borders, where the product meets its clients. */
const BORDERS: Record<string, readonly string[]> = {
  contract: ['core'],
  sdk: ['contract'],
  mcp: ['core', 'contract', 'sdk'],
  cli: ['core', 'contract', 'sdk', 'mcp'],
  live: ['core', 'postgres', 'bell', 'log', 'run-state'],
  http: [...STAIRS, 'contract', 'live', 'mcp'],
  dialects: [...STAIRS, 'contract', 'live', 'http'],
}
const MAY_IMPORT: Record<string, readonly string[]> = {
  ...Object.fromEntries(STAIRS.map((room, step) => [room, STAIRS.slice(0, step)])),
  ...BORDERS,
}
const LINES_MAX = 300
const COLUMNS_MAX = 120
const FILES_MAX = 25

const files = filesOf('src/**/*.ts')
const tests = filesOf('{test,examples}/**/*.ts')
const product = files.filter(({ path }) => !/\.(test|fixture)\.ts$/.test(path))

test('a room imports only itself and the rooms before it', () => {
  const broken = product
    .filter(({ room }) => room !== '')
    .flatMap(({ path, room, imports }) =>
      imports
        .map(roomOf)
        .filter((other) => other !== room && !MAY_IMPORT[room]?.includes(other))
        .map((other) => `${path} imports ${other || 'a file of the process'}`),
    )
  expect(broken).toEqual([])
})

test('dialects do not import each other', () => {
  const dialectOf = (path: string) => /^src\/dialects\/(\w+)\//.exec(path)?.[1]
  const broken = product.flatMap(({ path, imports }) =>
    imports
      .filter((other) => dialectOf(path) && dialectOf(other) && dialectOf(path) !== dialectOf(other))
      .map((other) => `${path} imports ${other}`),
  )
  expect(broken).toEqual([])
})

test('files do not import each other in cycles', () => {
  const found = cyclesOf(new Map(product.map(({ path, imports }) => [path, imports])))
  expect(found.map((cycle) => cycle.sort().join(' '))).toEqual([])
})

test('core depends on nothing outside itself', () => {
  const impure = product.filter(
    ({ room, text, imports }) =>
      room === 'core' &&
      (imports.some((other) => roomOf(other) !== 'core') ||
        /from '(?!\.\.?\/)|Date\.now|new Date\(\)|Math\.random|process\.|console\./.test(text)),
  )
  expect(impure.map(({ path }) => path)).toEqual([])
})

/** Where a node's own clock is the right one: its ids and its own files, and a client that has no database. */
const OWN_CLOCK = [/^src\/(sdk|cli)\//, /^src\/postgres\/(embedded\/|id\.ts$)/, /^src\/bell\/ctx\.ts$/]

test("times that are stored, shown or checked elsewhere come from the database's clock", () => {
  const asking = product.filter(
    ({ path, text }) => !OWN_CLOCK.some((one) => one.test(path)) && /\bDate\.now\b|new Date\(\)/.test(code(text)),
  )
  expect(asking.map(({ path }) => path)).toEqual([])
})

test("SQL is only in `*.sql.ts` files and in the driver's rooms", () => {
  const written = /\b(sql|db|tx|transaction|session|connection|admin|reads)[<`]|\.unsafe\(/
  const found = product.filter(
    ({ path, room, text }) =>
      !path.endsWith('.sql.ts') && !['postgres', 'bell'].includes(room) && written.test(code(text)),
  )
  expect(found.map(({ path }) => path)).toEqual([])
})

test('a file of statements imports only rules, the driver and other statements', () => {
  const broken = product
    .filter(({ path }) => path.endsWith('.sql.ts'))
    .flatMap(({ path, imports }) =>
      imports
        .filter((other) => !other.endsWith('.sql.ts') && !['core', 'postgres'].includes(roomOf(other)))
        .map((other) => `${path} imports ${other}`),
    )
  expect(broken).toEqual([])
})

test('only the kernel changes the state of a run', () => {
  // The log gives out sequences under the lock of the run's row; an attempt's deltas take one too; retention deletes.
  const writers = [
    /^src\/run-state\//,
    /^src\/log\/append-events\.sql\.ts$/,
    /^src\/runs\/attempts\/attempt-writes\.sql\.ts$/,
    /^src\/upkeep\/retention\.sql\.ts$/,
  ]
  const found = product.filter(
    ({ path, text }) =>
      /(update|insert into|delete from)\s+run_states\b/.test(text) && !writers.some((may) => may.test(path)),
  )
  expect(found.map(({ path }) => path)).toEqual([])
})

/** What calls the statements that write events and the states of runs: it rings once they are committed. */
const DOORS = [
  'src/log/append-event.ts',
  'src/run-state/insert/insert-run.ts',
  'src/run-state/move/move-run.ts',
  'src/runs/attempts/claimer.ts',
  'src/runs/attempts/look-for-runs.ts',
  'src/usage/book-call.ts',
]
/** Written before anybody listens. */
const BEFORE_RINGS = ['src/log/server/recognize-server.ts']

test('events and moves are written through the doors that ring for them', () => {
  const statements = /\b(appendEvents|insertRuns|moveRuns|claimRuns|claimLimitedRuns|bookUsage)\(/
  const found = product.filter(
    ({ path, room, text }) =>
      STAIRS.includes(room) &&
      !path.endsWith('.sql.ts') &&
      ![...DOORS, ...BEFORE_RINGS].includes(path) &&
      statements.test(code(text)),
  )
  expect(found.map(({ path }) => path)).toEqual([])
})

test('nobody rings by hand for what a door has written', () => {
  // Deltas are no events: only their runs are rung.
  const doors = [...DOORS, 'src/runs/attempts/attempt-calls.ts', 'src/bell/transact.ts', 'src/bell/bell.ts']
  const byHand =
    /\b(?:ctx\.|[^.\w])ring\([^;]*?(?:runTopic|queueTopic|`run:|`queue:|'(?:tail|slots|leases|timers|waits)')/
  const found = product.filter(
    ({ path, room, text }) => STAIRS.includes(room) && !doors.includes(path) && byHand.test(code(text)),
  )
  expect(found.map(({ path }) => path)).toEqual([])
})

test("events are compared with transactions only by the log's own numbers", () => {
  // A server's own ids begin anew on the next one: docs/decisions/0018-log-servers.md. The lag asks whose id it is.
  const raw = /(?<!log_xid\()pg_(?:snapshot_xm(?:in|ax)|current_xact_id)\(/
  const found = product.filter(({ path, text }) => raw.test(text) && path !== 'src/log/server/lag.sql.ts')
  expect(found.map(({ path }) => path)).toEqual([])
})

test('a transaction is passed on without casts', () => {
  // Statements ask for a Db, which a pool and a transaction both are.
  const casts = product.filter(({ path, text }) => path !== 'src/postgres/sql.ts' && /as unknown as Sql\b/.test(text))
  expect(casts.map(({ path }) => path)).toEqual([])
})

/** The entries of the programs pass it on; the server's is parsed in one place. */
const ENVIRONMENT_READERS = ['src/config.ts', 'src/main.ts', 'src/cli/main.ts']

test('the environment is only read in config.ts and by the entries of programs', () => {
  const readers = product.filter(({ path, text }) => !ENVIRONMENT_READERS.includes(path) && /process\.env/.test(text))
  expect(readers.map(({ path }) => path)).toEqual([])
})

test('text that is stored or sent on is truncated by cutText', () => {
  const cut = /\.(?:slice|substring|substr)\(0, \w*(?:LENGTH|CHARS|CHARACTERS|TEXT|IN_ERROR)\w*_MAX/
  // Names of files that are made of plain letters.
  const may = ['src/core/storable.ts', 'src/http/download.ts']
  expect(product.filter(({ path, text }) => cut.test(text) && !may.includes(path)).map(({ path }) => path)).toEqual([])
})

test("clients' schemas are compiled in one place", () => {
  // The other checks requests against our own contract.
  const doors = [/^src\/access\/schema\//, /^src\/http\/input\//]
  const found = product.filter(
    ({ path, text }) => /^import (?!type\b).*from 'ajv/m.test(text) && !doors.some((may) => may.test(path)),
  )
  expect(found.map(({ path }) => path)).toEqual([])
})

test('the PostgreSQL driver is only used where its connections are guarded', () => {
  const guarded = ['src/postgres/line.ts', 'src/postgres/tag.ts']
  const users = product.filter(({ path, text }) => !guarded.includes(path) && /\bpostgres\(/.test(text))
  expect(users.map((file) => file.path)).toEqual([])
})

test('Redis is only used through its circuit breaker, and for rings', () => {
  const users = product.filter(({ path, text }) => /\bnew Redis\(/.test(text) && !/^src\/bell\/redis/.test(path))
  expect(users.map((file) => file.path)).toEqual([])
})

test('no file is longer than the limit', () => {
  const long = [...files, ...tests]
    .map(({ path, text }) => ({ path, lines: text.split('\n').length }))
    .filter(({ lines }) => lines > LINES_MAX)
  expect(long).toEqual([])
})

test('no line of a file of statements is wider than the limit', () => {
  // The formatter does not reach into templates.
  const wide = product
    .filter(({ path }) => path.endsWith('.sql.ts'))
    .flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, index) => (line.length > COLUMNS_MAX ? [`${path}:${index + 1}`] : [])),
    )
  expect(wide).toEqual([])
})

test('a list that a subquery selects names whose column it is', () => {
  // Where the table has no such column, a bare name is the outer table's: `where run_id in (select run_id from moved)`
  // is then true of every row.
  const bare = /(?:\bin|\barray)\s*\(\s*select\s+(?:distinct\s+)?[a-z_]+\s+from\s+[a-z_]/
  expect(product.filter(({ text }) => bare.test(code(text))).map(({ path }) => path)).toEqual([])
})

test('no folder has more files than the limit', () => {
  const counts = new Map<string, number>()
  for (const { path } of [...files, ...tests]) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1)
  const full = [...counts].filter(([, count]) => count > FILES_MAX)
  expect(full).toEqual([])
})

test('no two migrations have the same number', () => {
  const numbers = globSync('src/postgres/migrations/*.sql').map((path) => basename(path).slice(0, 4))
  expect(numbers.filter((number, at) => numbers.indexOf(number) !== at)).toEqual([])
})

test('every export is used', () => {
  const all = [...files, ...tests, ...filesOf('{bench,scripts}/**/*.ts')]
  const readers = new Map<string, number>()
  for (const { text } of all)
    for (const word of new Set(text.match(/[A-Za-z_]\w*/g))) readers.set(word, (readers.get(word) ?? 0) + 1)
  const dead = product.flatMap(({ path, text }) =>
    [...text.matchAll(/^export (?:async )?(?:const|function\*?|type|class) (\w+)/gm)]
      .map((found) => found[1]!)
      // Named in this file alone, and there once: where it is exported.
      .filter((name) => readers.get(name) === 1 && text.split(new RegExp(`\\b${name}\\b`)).length === 2)
      .map((name) => `${path} exports ${name}`),
  )
  expect(dead).toEqual([])
})

test('nothing is exported by default, and no file has a meaningless name', () => {
  const defaults = product.filter(({ text }) => /^export default/m.test(text)).map(({ path }) => path)
  const vague = product
    .filter(({ path }) => /^(utils?|helpers?|common|manager|service|misc)\.ts$/.test(basename(path)))
    .map(({ path }) => path)
    .filter((path) => path !== 'src/contract/common.ts')
  expect([...defaults, ...vague]).toEqual([])
})

test('no test is skipped, focused or left to do', () => {
  const off = [...files, ...tests].filter(
    ({ path, text }) =>
      path.endsWith('.test.ts') &&
      path !== 'test/tidy.test.ts' &&
      /\b(test|it|describe)\.(only|skip|todo)\b/.test(text),
  )
  expect(off.map(({ path }) => path)).toEqual([])
})

test('a cursor has the full precision of a time, not that of a Date', () => {
  const cut = product.filter(({ text }) => /encodeCursor\([^)]*toISOString/.test(text))
  expect(cut.map((file) => file.path)).toEqual([])
})
