import { describe, expect, test } from 'vitest'
import { nameOf, parseAddress } from './address.ts'

const hostsOf = (url: string) => parseAddress(url).hosts.map(nameOf)

test.each([
  ['postgres://u:p@h/d', ['h:5432'], 'any'],
  ['postgresql://u@h:6432/d', ['h:6432'], 'any'],
  ['postgres:///d', ['localhost'], 'any'],
  ['postgres://u:p@h1:5433,h2/d', ['h1:5433', 'h2:5432'], 'read-write'],
  ['postgres://u:a%40b@h1,h2/d?target_session_attrs=primary', ['h1:5432', 'h2:5432'], 'primary'],
  ['postgres://u@[::1]:5433,[fe80::2],h3/d', ['[::1]:5433', '[fe80::2]:5432', 'h3:5432'], 'read-write'],
  ['Postgres://h/d?target_session_attrs=', ['h:5432'], 'any'],
  ['postgres://h/d?target_session_attrs=any', ['h:5432'], 'any'],
  ['postgres:///d?host=/run/postgresql&port=6432', ['/run/postgresql:6432'], 'any'],
  ['postgres://u:50%25@%2Fvar%2Frun%2Fpostgresql/d', ['/var/run/postgresql:5432'], 'any'],
])('%s names hosts', (url, hosts, wanted) => {
  expect([hostsOf(url), parseAddress(url).wanted]).toEqual([hosts, wanted])
})

test('what the driver gets names one host, keeps its parameters, and says nothing of the choice', () => {
  const { url } = parseAddress(
    'postgres://u:p@h1:1,h2:2/d?sslmode=require&target_session_attrs=read-write&search_path=s',
  )
  expect(url).toBe('postgres://u:p@h1:1/d?sslmode=require&search_path=s')
})

describe('an address that is none is refused', () => {
  test.each([
    ['mysql://h/d', /must be a URL such as/],
    ['h1,h2', /must be a URL such as/],
    ['postgres://h1,,h2/d', /must name its hosts as/],
    ['postgres://h1:0,h2/d', /must name its hosts as/],
    ['postgres://h1:70000,h2/d', /must name its hosts as/],
    ['postgres://::1,h2/d', /must name its hosts as/],
    [`postgres://${Array.from({ length: 17 }, (_, n) => `h${n}`).join()}/d`, /at most 16 hosts, not 17/],
    ['postgres://h1,h2/d?target_session_attrs=standby', /must have read-write or primary as target_session_attrs/],
    ['postgres://h1,h2/d?target_session_attrs=any', /must have read-write or primary as target_session_attrs/],
    ['postgres://u:100%@h/d', /must have each % in its user name and password written as %25/],
    ['postgres://%zz/d', /must be a URL such as/],
    ['postgres://h/d?host=/var/run/postgresql', /must not have host among its parameters/],
    ['postgres:///d?host=h', /must not have host among its parameters/],
    ['postgres://h/d?sslcert=/x', /must not have sslcert among its parameters/],
  ])('%s', (url, message) => expect(() => parseAddress(url)).toThrow(message))
})
