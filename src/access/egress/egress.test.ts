import type { LookupAddress } from 'node:dns'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkEndpoint, type Egress, type EgressError, guardedLookup, type Resolve } from './egress.ts'

const PUBLIC = { address: '8.8.8.8', family: 4 }
const answering = (...addresses: string[]): Resolve => {
  return async () => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
}
const neverAsked: Resolve = async (hostname) => {
  throw new Error(`${hostname} should not have been looked up`)
}
const reasonOf = async (url: string, mode: Egress = 'public', resolve = neverAsked) => {
  const checked = await checkEndpoint(url, mode, { resolve })
  return checked.ok ? 'ok' : checked.reason
}

describe('egress mode public: refused by the text of the URL', () => {
  test.each([
    ['decimal IPv4', 'http://2130706433/'],
    ['octal IPv4', 'http://0177.0.0.1/'],
    ['octal IPv4 in one number', 'http://017700000001/'],
    ['hexadecimal IPv4', 'http://0x7f.1/'],
    ['hexadecimal IPv4 in one number', 'http://0x7f000001/'],
    ['IPv4 in two parts', 'http://127.1/'],
    ['IPv4 in three parts', 'http://10.0.1/'],
    ['IPv4 with a trailing dot', 'http://127.0.0.1./'],
    ['percent-encoded digits', 'http://%31%32%37.0.0.1/'],
    ['full-width digits', 'http://１２７.０.０.１/'],
    ['an ideographic full stop', 'http://127。0。0。1/'],
    ['circled digits', 'http://①②⑦.⓪.⓪.①/'],
    ['the unspecified address', 'http://0.0.0.0/'],
    ['the shortest unspecified address', 'http://0/'],
    ['private', 'http://192.168.1.1:8080/'],
    ['carrier-grade NAT', 'http://100.64.0.1/'],
    ['link-local', 'http://169.254.1.1/'],
    ['multicast', 'http://224.0.0.1/'],
    ['broadcast', 'http://255.255.255.255/'],
    ['reserved', 'http://240.0.0.1/'],
    ['documentation', 'http://203.0.113.7/'],
    ['benchmark', 'http://198.18.0.1/'],
    ['IPv6 loopback', 'http://[::1]/'],
    ['IPv6 unspecified', 'http://[::]/'],
    ['IPv6 link-local', 'http://[fe80::1]/'],
    ['IPv6 unique-local', 'http://[fd12:3456::1]/'],
    ['IPv6 site-local', 'http://[fec0::1]/'],
    ['IPv6 multicast', 'http://[ff02::1]/'],
    ['IPv6 documentation', 'http://[2001:db8::1]/'],
    ['newer IPv6 documentation', 'http://[3fff::1]/'],
    ['IPv6 that nobody was given', 'http://[4000::1]/'],
    ['IPv4-mapped', 'http://[::ffff:127.0.0.1]/'],
    ['IPv4-mapped in hexadecimal', 'http://[::ffff:7f00:1]/'],
    ['IPv4-compatible', 'http://[::127.0.0.1]/'],
    ['IPv4-translated', 'http://[::ffff:0:127.0.0.1]/'],
    ['NAT64 around a private address', 'http://[64:ff9b::10.0.0.1]/'],
    ['local-use NAT64', 'http://[64:ff9b:1::8.8.8.8]/'],
    ['6to4 around a private address', 'http://[2002:7f00:1::1]/'],
    ['6to4 around a public address', 'http://[2002:808:808::1]/'],
    ['Teredo', 'http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/'],
    ['ISATAP around a private address', 'http://[2a00:1450::5efe:10.0.0.1]/'],
  ])('refuses %s: %s', async (_trick, url) => {
    expect(await reasonOf(url)).toBe('private_address')
  })

  test.each([
    'http://localhost/',
    'http://LOCALHOST:3000/',
    'http://localhost./',
    'http://api.localhost/',
    'http://vault.internal/',
    'http://printer.local/',
    'http://nas.home.arpa/',
  ])('refuses a private name: %s', async (url) => {
    expect(await reasonOf(url)).toBe('private_name')
  })

  test.each([
    'http://a.test:22/',
    'http://a.test:25/',
    'http://a.test:6379/',
    'https://a.test:5432/',
    'http://a.test:0/',
  ])('refuses a port that is not for HTTP: %s', async (url) => {
    expect(await reasonOf(url)).toBe('port')
  })
})

describe('every egress mode: refused by the text of the URL', () => {
  test.each([
    ['AWS and most others', 'http://169.254.169.254/latest/'],
    ['Alibaba Cloud', 'http://100.100.100.200/'],
    ['AWS over IPv6', 'http://[fd00:ec2::254]/'],
    ['AWS over IPv6, spelled out', 'http://[fd00:0ec2:0:0:0:0:0:0254]/'],
    ['Google Cloud by name', 'http://metadata.google.internal/'],
    ['Google Cloud by name, with a dot', 'http://Metadata.Google.Internal./'],
    ['in decimal', 'http://2852039166/'],
    ['in octal', 'http://0251.0376.0251.0376/'],
    ['mapped', 'http://[::ffff:169.254.169.254]/'],
    ['behind NAT64', 'http://[64:ff9b::169.254.169.254]/'],
    ['behind 6to4', 'http://[2002:a9fe:a9fe::]/'],
  ])('refuses a metadata service, %s: %s', async (_where, url) => {
    expect(await reasonOf(url, 'public')).toBe('metadata')
    expect(await reasonOf(url, 'any')).toBe('metadata')
  })

  test.each([
    ['scheme', 'ftp://a.test/'],
    ['scheme', 'file:///etc/passwd'],
    ['scheme', 'javascript:alert(1)'],
    ['credentials', 'http://user:pass@a.test/'],
    ['credentials', 'http://a.test@127.0.0.1/'],
    ['too_long', `http://a.test/${'x'.repeat(2_048)}`],
    ['malformed_url', ''],
    ['malformed_url', 'a.test'],
    ['malformed_url', 'http://'],
    ['malformed_url', 'http:///'],
    ['malformed_url', ' http://a.test/'],
    ['malformed_url', 'http://a.te\tst/'],
    ['malformed_url', 'http://a.test/\r\nx'],
    ['malformed_url', 'http:\\\\a.test\\'],
    ['malformed_url', 'http://a..test/'],
    ['malformed_url', 'http://a.test../'],
    ['malformed_url', 'http://[fe80::1%25eth0]/'],
    ['malformed_url', 'http://1.2.3.4.5/'],
    ['malformed_url', 'http://256.1.1.1/'],
    ['malformed_url', 'http://a.test:99999/'],
    ['malformed_url', `http://${'a'.repeat(64)}.test/`],
  ])('refuses (%s): %j', async (reason, url) => {
    expect(await reasonOf(url, 'public')).toBe(reason)
    expect(await reasonOf(url, 'any')).toBe(reason)
  })
})

test('in mode public a name is allowed when every one of its addresses is public', async () => {
  expect(await reasonOf('https://a.test/x', 'public', answering('8.8.8.8', '2606:4700::1111'))).toBe('ok')
  expect(await reasonOf('https://a.test/x', 'public', answering('8.8.8.8', '10.0.0.1'))).toBe('private_address')
  expect(await reasonOf('https://a.test/x', 'public', answering('8.8.8.8', 'fe80::1%eth0'))).toBe('private_address')
  expect(await reasonOf('https://a.test/x', 'public', answering('169.254.169.254'))).toBe('metadata')
})

test('in mode public a name that does not resolve has its own reason', async () => {
  const lost: Resolve = () => Promise.reject(new Error('ENOTFOUND'))
  expect(await reasonOf('https://a.test/', 'public', lost)).toBe('unresolvable')
  expect(await reasonOf('https://a.test/', 'public', answering())).toBe('unresolvable')
})

test('in mode public a public address needs no lookup, in whatever form it is embedded', async () => {
  for (const host of ['8.8.8.8', '[2606:4700::1111]', '[::ffff:8.8.8.8]', '[64:ff9b::8.8.8.8]']) {
    expect(await reasonOf(`http://${host}:8080/`)).toBe('ok')
  }
})

test('in mode any private addresses are allowed without a lookup', async () => {
  for (const url of ['http://localhost:3000/', 'http://10.0.0.1/', 'http://[::1]:22/', 'http://db.internal:5432/']) {
    expect(await reasonOf(url, 'any')).toBe('ok')
  }
})

test('the URL that is returned is the one that was checked', async () => {
  const checked = await checkEndpoint('HTTP://2130706433:80/a%20b', 'any')
  expect(checked.ok && checked.url.href).toBe('http://127.0.0.1/a%20b')
})

test('every private IPv4 address is refused in every spelling', async () => {
  const PRIVATE: [first: number, size: number][] = [
    [0x00000000, 2 ** 24], // this network
    [0x0a000000, 2 ** 24],
    [0x64400000, 2 ** 22], // carrier-grade NAT
    [0x7f000000, 2 ** 24], // loopback
    [0xa9fe0000, 2 ** 16], // link-local
    [0xac100000, 2 ** 20],
    [0xc0000000, 2 ** 8],
    [0xc0000200, 2 ** 8], // documentation
    [0xc0a80000, 2 ** 16],
    [0xc6120000, 2 ** 17], // benchmark
    [0xc6336400, 2 ** 8],
    [0xcb007100, 2 ** 8],
    [0xe0000000, 2 ** 28], // multicast
    [0xf0000000, 2 ** 28], // reserved and broadcast
  ]
  const anyPrivate = fc
    .constantFrom(...PRIVATE)
    .chain(([first, size]) => fc.integer({ min: first, max: first + size - 1 }))
  await fc.assert(
    fc.asyncProperty(anyPrivate, async (address) => {
      for (const host of spellings(address)) {
        expect(['private_address', 'metadata'], host).toContain(await reasonOf(`http://${host}/`))
      }
    }),
    { numRuns: 1_000 },
  )
})

/** Every way to write an IPv4 address that some resolver or parser is known to accept. */
function spellings(address: number): string[] {
  const octets = [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff)
  const [a = 0, b = 0, c = 0, d = 0] = octets
  const dotted = octets.join('.')
  const hex = (value: number) => `0x${value.toString(16)}`
  const octal = (value: number) => `0${value.toString(8)}`
  const groups = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  const inverted = `${(((a << 8) | b) ^ 0xffff).toString(16)}:${(((c << 8) | d) ^ 0xffff).toString(16)}`
  return [
    dotted,
    `${dotted}.`,
    String(address),
    hex(address),
    hex(address).toUpperCase(),
    octal(address),
    octets.map(hex).join('.'),
    octets.map(octal).join('.'),
    `${hex(a)}.${octal(b)}.${c}.${d}`,
    `${a}.${(b << 16) | (c << 8) | d}`,
    `${a}.${b}.${(c << 8) | d}`,
    dotted.replace(/\d/g, (digit) => `%3${digit}`),
    dotted.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
    `[::ffff:${dotted}]`,
    `[::ffff:${groups}]`,
    `[0:0:0:0:0:ffff:${groups}]`,
    `[::${dotted}]`,
    `[::ffff:0:${dotted}]`,
    `[64:ff9b::${dotted}]`,
    `[64:ff9b:1::${dotted}]`,
    `[2002:${groups}::1]`,
    `[2001:0:808:808:0:0:${inverted}]`,
    `[2a00:1450::5efe:${dotted}]`,
  ]
}

describe('guardedLookup', () => {
  type Answer = { error: EgressError | null; address: string | LookupAddress[]; family: number | undefined }
  const ask = (mode: Egress, resolve: Resolve, options: { all?: boolean; family?: number | 'IPv4' | 'IPv6' }) =>
    new Promise<Answer>((told) => {
      guardedLookup(mode, resolve)('a.test', options, (error, address, family) => {
        told({ error: error as EgressError | null, address, family })
      })
    })
  const both = answering('8.8.8.8', '2606:4700::1111')

  test('guardedLookup returns all checked addresses when asked for all', async () => {
    expect(await ask('public', both, { all: true })).toMatchObject({
      error: null,
      address: [PUBLIC, { address: '2606:4700::1111', family: 6 }],
    })
  })

  test('guardedLookup returns one address of the requested family', async () => {
    expect(await ask('public', both, {})).toMatchObject({ error: null, address: '8.8.8.8', family: 4 })
    expect(await ask('public', both, { family: 6 })).toMatchObject({ address: '2606:4700::1111', family: 6 })
    expect(await ask('public', both, { family: 'IPv6' })).toMatchObject({ address: '2606:4700::1111', family: 6 })
    expect(await ask('public', answering('8.8.8.8'), { family: 6 })).toMatchObject({ error: { reason: 'dns' } })
  })

  test('guardedLookup refuses because of an address of a family that was not requested', async () => {
    const answer = await ask('public', answering('8.8.8.8', '::1'), { family: 4 })
    expect(answer.error).toMatchObject({ name: 'EgressError', reason: 'refused_address' })
  })

  test('guardedLookup distinguishes a name without addresses from a forbidden one', async () => {
    expect(await ask('public', answering(), { all: true })).toMatchObject({ error: { reason: 'dns' } })
    expect(await ask('public', () => Promise.reject(new Error('no')), {})).toMatchObject({ error: { reason: 'dns' } })
    expect(await ask('any', answering('fd00:ec2::254'), {})).toMatchObject({ error: { reason: 'refused_address' } })
  })

  test('guardedLookup refuses an answer that is not an address when only public ones are allowed', async () => {
    expect(await ask('public', answering('127.1'), {})).toMatchObject({ error: { reason: 'refused_address' } })
  })

  test('the system resolver is the default', async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>()
    guardedLookup('any')('localhost', { all: true }, (error, addresses) => resolve(error ?? addresses))
    expect(await promise).toContainEqual({ address: '127.0.0.1', family: 4 })
  })
})
