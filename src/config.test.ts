import { expect, test } from 'vitest'
import { readConfig } from './config.ts'

test.each(['ünïcödé-long-enough-key', 'with spaces and long enough', 'tab\tin-the-middle-of-it'])(
  'an API key that no header can carry is refused at startup: %s',
  (RUNYARD_API_KEY) => {
    expect(() => readConfig({ RUNYARD_API_KEY })).toThrow('RUNYARD_API_KEY must be printable ASCII without spaces')
  },
)

test.each(['0x50', '1e3', '80.0', '-1', '8 0', '65536', '٨٠'])('a number is written in digits alone: %s', (PORT) => {
  expect(() => readConfig({ PORT })).toThrow(`PORT must be a whole number from 0 to 65535, not "${PORT}"`)
})

test.each([
  ['RUNYARD_EGRESS_ALLOW', ','],
  ['RUNYARD_EVENT_OUTCOMES', ' , '],
  ['RUNYARD_ROLES', ','],
])('a list that is set and empty is refused: %s', (name, value) => {
  expect(() => readConfig({ [name]: value })).toThrow(name)
})

test.each(['foo', 'localhost:5432/x', 'http://h/x', 'postgres://u:secret@h:99999/x'])(
  'a DATABASE_URL that is none is refused by name, and not repeated: %s',
  (DATABASE_URL) => {
    const refused = () => readConfig({ DATABASE_URL })
    expect(refused).toThrow('DATABASE_URL must be a URL such as postgres://user:password@host:5432/database')
    expect(refused).not.toThrow(/secret/)
  },
)

test.each([
  'postgres://u:p@h:5432/x',
  'postgresql://h/x?sslmode=require',
  'postgres://u:a,b@h/x',
  'postgres://u:p@h1:5432,h2:5433/x',
  'postgres:///x?host=/run/postgresql',
])('a DATABASE_URL that the driver reads is taken: %s', (DATABASE_URL) => {
  expect(readConfig({ DATABASE_URL }).databaseUrl).toBe(DATABASE_URL)
})

test.each(['a b', '[::1]', '999.1.1.1', 'http://x', 'h:80', '-', 'a/b'])(
  'a HOST that nothing can listen on is refused by name: %s',
  (HOST) => {
    expect(() => readConfig({ HOST })).toThrow(`HOST must be a host name or an IP address without a port`)
  },
)

test.each(['127.0.0.1', '::', 'fe80::1%eth0', 'localhost', 'node-1.lan', 'under_score'])(
  'a HOST is taken: %s',
  (HOST) => {
    expect(readConfig({ HOST }).host).toBe(HOST)
  },
)
