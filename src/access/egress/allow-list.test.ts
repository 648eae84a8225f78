import { describe, expect, test } from 'vitest'
import { parseAllowList } from './allow-list.ts'
import { checkEndpoint, type Egress, guardedLookup, inspectEndpoint, type Resolve } from './egress.ts'

const LIST = parseAllowList('hooks.lan, *.svc.cluster.local 10.0.0.0/8,fd12::/16\n192.168.1.5 [fd99::1]')
const answering =
  (...addresses: string[]): Resolve =>
  async () =>
    addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
const neverAsked: Resolve = async (hostname) => {
  throw new Error(`${hostname} should not have been looked up`)
}
const reasonOf = async (url: string, resolve = neverAsked, egress: Egress = LIST) => {
  const checked = await checkEndpoint(url, egress, { resolve })
  return checked.ok ? 'ok' : checked.reason
}
/** What the dial makes of the same name. */
const dialled = (hostname: string, resolve: Resolve, egress: Egress = LIST) =>
  new Promise<string>((told) => {
    guardedLookup(egress, resolve)(hostname, { all: true }, (error) => told(error ? error.message : 'ok'))
  })

describe('the allow list: listed hosts', () => {
  test.each([
    'http://hooks.lan/',
    'http://HOOKS.lan.:8080/x',
    'http://a.svc.cluster.local/',
    'http://a.b.svc.cluster.local/',
    'http://10.1.2.3/',
    'http://0x0a010203/',
    'http://[::ffff:10.1.2.3]/',
    'http://[fd12:3456::1]/',
    'http://192.168.1.5/',
    'http://[fd99::1]/',
    'http://8.8.8.8/',
  ])('allows a listed host: %s', async (url) => {
    expect(await reasonOf(url)).toBe('ok')
  })

  test('a listed name is not needed when all addresses of a name are in listed networks', async () => {
    expect(await reasonOf('http://db.example.com/', answering('10.0.0.1', '8.8.8.8'))).toBe('ok')
    expect(await reasonOf('http://db.internal/', answering('10.0.0.1', 'fd12::9'))).toBe('ok')
    expect(await dialled('db.internal', answering('10.0.0.1'))).toBe('ok')
    expect(await dialled('hooks.lan', answering('172.16.0.1'))).toBe('ok')
  })
})

describe('the allow list: other hosts', () => {
  test.each([
    ['private_address', 'http://10.0.0.1.example.com/', '172.16.0.1'],
    ['private_address', 'http://192.168.1.6/', ''],
    ['private_address', 'http://[fd13::1]/', ''],
    ['private_address', 'http://[64:ff9b::10.0.0.1]/', ''],
    ['private_address', 'http://svc.cluster.local/', '192.168.0.1'],
    ['private_address', 'http://evilsvc.cluster.local/', '192.168.0.1'],
    ['private_address', 'http://one.example.com/', '172.16.0.1'],
    ['private_name', 'http://db.internal/', '8.8.8.8'],
    ['metadata', 'http://169.254.169.254/', ''],
    ['metadata', 'http://[fd00:ec2::254]/', ''],
    ['metadata', 'http://metadata.google.internal/', ''],
    ['port', 'http://10.0.0.1:6379/', ''],
    ['port', 'http://hooks.lan:22/', ''],
  ])('refuses what is not listed (%s): %s at %j', async (reason, url, address) => {
    expect(await reasonOf(url, address === '' ? neverAsked : answering(address))).toBe(reason)
  })

  test('a metadata service is refused even behind a listed name or in a listed network', async () => {
    const wide = parseAllowList('0.0.0.0/0, ::/0, hooks.lan')
    expect(await reasonOf('http://169.254.169.254/', neverAsked, wide)).toBe('metadata')
    expect(await dialled('hooks.lan', answering('169.254.169.254'), wide)).toContain('metadata')
    expect(await dialled('metadata.google.internal', answering('10.0.0.1'), wide)).toContain('metadata')
    expect(await reasonOf('http://127.0.0.1/', neverAsked, wide)).toBe('ok')
  })

  test('a private name is refused when no listed network has its address', async () => {
    const names = parseAllowList('hooks.lan')
    expect(await reasonOf('http://localhost/', neverAsked, names)).toBe('private_name')
    expect(await reasonOf('http://localhost/', neverAsked, parseAllowList('localhost'))).toBe('ok')
  })
})

test('a refusal names the setting that would allow the endpoint', async () => {
  const sentence = (url: string, egress: Egress) => {
    const checked = inspectEndpoint(url, egress)
    return checked.ok ? 'ok' : checked.message
  }
  expect(sentence('http://10.0.0.1/', 'public')).toContain('RUNYARD_EGRESS_ALLOW')
  expect(sentence('http://localhost/', 'public')).toContain('RUNYARD_EGRESS_ALLOW')
  expect(sentence('http://a.test:6379/', 'public')).toContain('RUNYARD_EGRESS=any')
  expect(await dialled('a.test', answering('10.0.0.1'), 'public')).toContain('RUNYARD_EGRESS_ALLOW')
  // No setting opens a metadata service.
  expect(sentence('http://169.254.169.254/', 'public')).not.toContain('RUNYARD')
})

test.each([
  '10.0.0.0/33',
  '10.0.0.0/',
  '10.0.0.0/8/8',
  '10.0.0.0/255.0.0.0',
  '::ffff:10.0.0.0/104',
  'fe80::1%eth0',
  'http://hooks.lan',
  'hooks.lan:8080',
  'hooks.lan/path',
  'user@hooks.lan',
  '2130706433',
  '0x7f.1',
  '*',
  '*.',
  'a.*.lan',
  '-a.lan',
  'a..lan',
  'höf.lan',
])('%s cannot be listed', (entry) => {
  expect(() => parseAllowList(`hooks.lan,${entry}`)).toThrow(`"${entry}" is not`)
})

test.each(['169.254.169.254', 'metadata.google.internal', 'fd00:ec2::254'])(
  'the metadata service %s cannot be listed',
  (entry) => {
    expect(() => parseAllowList(entry)).toThrow('metadata')
  },
)
