// The operator's allow list, besides public addresses: host names, subdomain wildcards, addresses and networks.
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { addressRange } from './address.ts'
import { isMetadataName } from './metadata-names.ts'

export type AllowList = Readonly<{
  names: ReadonlySet<string>
  /** Each begins with a dot: any name with this suffix is allowed, but not the name after the dot itself. */
  suffixes: readonly string[]
  networks: readonly Network[]
}>
type Network = readonly [ipaddr.IPv4 | ipaddr.IPv6, prefixLength: number]

const ENTRIES_MAX = 1_000

/** Entries are separated by commas or whitespace. Throws an Error that says which entry is wrong, and how. */
export function parseAllowList(text: string): AllowList {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== '')
  if (entries.length === 0) throw new Error(`is set and has no entries: "${text}"`)
  if (entries.length > ENTRIES_MAX) throw new Error(`may have ${ENTRIES_MAX} entries, not ${entries.length}`)
  const names = new Set<string>()
  const suffixes: string[] = []
  const networks: Network[] = []
  for (const entry of entries) {
    const network = networkOf(entry)
    if (network) networks.push(network)
    else if (entry.startsWith('*.')) suffixes.push(`.${nameOf(entry.slice(2), entry)}`)
    else names.add(nameOf(entry, entry))
  }
  return { names, suffixes, networks }
}

export const isListedName = (hostname: string, { names, suffixes }: AllowList): boolean =>
  names.has(hostname) || suffixes.some((suffix) => hostname.endsWith(suffix))

/** Whether one of the networks contains this address, even an IPv4 address written as IPv6. */
export function isListedAddress(address: string, { networks }: AllowList): boolean {
  if (networks.length === 0 || isIP(address) === 0) return false
  const parsed = ipaddr.process(address.replace(/%.*$/, ''))
  return networks.some(([base, bits]) => base.kind() === parsed.kind() && parsed.match(base, bits))
}

function networkOf(entry: string): Network | undefined {
  const [written = '', bits, ...more] = entry.split('/')
  const address = written.replace(/^\[(.*)\]$/, '$1')
  if (isIP(address) === 0 || address.includes('%')) return undefined
  if (addressRange(address) === 'metadata')
    throw new Error(`"${entry}" is a cloud metadata service, which stays closed`)
  const base = ipaddr.process(address)
  const bitsMax = base.kind() === 'ipv4' ? 32 : 128
  if (bits === undefined) return [base, bitsMax]
  if (
    more.length > 0 ||
    !/^\d{1,3}$/.test(bits) ||
    Number(bits) > bitsMax ||
    base.kind() !== ipaddr.parse(address).kind()
  )
    throw unusable(entry)
  return [base, Number(bits)]
}

const NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*$/

/** As written in a URL's host; a number is an oddly spelled address, not a name. */
function nameOf(text: string, entry: string): string {
  const name = text.toLowerCase().replace(/\.$/, '')
  if (!NAME.test(name) || URL.parse(`http://${name}/`)?.hostname !== name) throw unusable(entry)
  if (isMetadataName(name)) throw new Error(`"${entry}" is a cloud metadata service, which stays closed`)
  return name
}

const unusable = (entry: string): Error =>
  new Error(`must be of host names, *.names, addresses and networks such as 10.0.0.0/8; "${entry}" is not`)
