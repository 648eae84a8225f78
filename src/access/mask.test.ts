import { expect, test } from 'vitest'
import {
  MASK,
  maskHeaders,
  maskUrl,
  maskValues,
  secretsOf,
  unmaskHeaders,
  unmaskValues,
  withoutSecrets,
} from './mask.ts'

test('headers whose names suggest secrets are masked in any case; all others are unchanged', () => {
  const secret = [
    'Authorization',
    'X-Run-Token',
    'x-secret-pin',
    'set-cookie',
    'webhook-signature',
    'X-API-Key',
    'x-auth',
  ]
  const plain = ['content-type', 'x-run-id', 'x-author', 'etag', 'traceparent', 'www-authenticate', 'x-attempt']
  const headers = Object.fromEntries([...secret, ...plain].map((name) => [name, 'a value']))
  const masked = maskHeaders(headers)
  expect(secret.filter((name) => masked[name] !== MASK)).toEqual([])
  expect(plain.filter((name) => masked[name] !== 'a value')).toEqual([])
})

test('a URL loses its user info and secret parameters, and nothing else', () => {
  expect(maskUrl('https://me:pw@example.com:8443/a%20b?x=1&api_key=abc&y=%2F#frag')).toBe(
    `https://${MASK}@example.com:8443/a%20b?x=1&api_key=${MASK}&y=%2F#frag`,
  )
  expect(maskUrl('http://h/?acc%65ss_token=abc&key=k&monkey=m')).toBe(
    `http://h/?acc%65ss_token=${MASK}&key=${MASK}&monkey=m`,
  )
  expect(maskUrl('http://h/cb#access_token=abc')).toBe(`http://h/cb#access_token=${MASK}`)
  expect(maskUrl('http://h/mail@home?to=a@b')).toBe('http://h/mail@home?to=a@b')
  expect(maskHeaders({ location: 'https://u:p@h/?token=t' })).toEqual({ location: `https://${MASK}@h/?token=${MASK}` })
})

test('a secret that a response repeats is removed, in full or without its scheme', () => {
  const secrets = secretsOf({
    authorization: 'Bearer abc-123-def',
    'x-run-token': 'abc-123-def-456',
    accept: 'text/html',
  })
  expect(withoutSecrets('you sent abc-123-def-456 and Bearer abc-123-def, and abc-123-def alone', secrets)).toBe(
    `you sent ${MASK} and ${MASK}, and ${MASK} alone`,
  )
  expect(withoutSecrets('text/html', secrets)).toBe('text/html')
})

test('masked values are restored when sent back, and names of prototype members are ordinary names', () => {
  const headers = { authorization: 'Bearer x', Link: '<https://u:p@h/>; rel=next', 'x-team': MASK }
  expect(unmaskHeaders(maskHeaders(headers), headers)).toEqual({ values: headers })
  const values = { TOKEN: 't', constructor: 'c', toString: 's', link: MASK }
  expect(unmaskValues(maskValues(values), values)).toEqual({ values })
  expect(unmaskValues({ __proto__TOKEN: MASK }, {})).toMatchObject({
    problem: expect.stringContaining('__proto__TOKEN'),
  })
  expect(unmaskHeaders({ constructor: 'c', toString: 's' }, {})).toEqual({
    values: { constructor: 'c', toString: 's' },
  })
})
