// Classifies the network of an IP address. Whatever is not known to be public counts as not public:
// for IPv6 only 2000::/3 can be, because the rest of the space is special or unassigned.

import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** 'public', 'metadata', or the name of the special range, such as 'loopback' or 'private'. */
export type AddressRange = string

// Whoever can reach one of these can read the credentials of the machine that Runyard runs on, so they stay
// closed even where private networks are allowed.
const METADATA = new Set([
  '169.254.169.254', // AWS, Google Cloud, Azure, Oracle, DigitalOcean, OpenStack
  '169.254.170.2', // AWS task roles
  '169.254.170.23', // AWS pod identity
  '169.254.42.42', // Scaleway
  '168.63.129.16', // Azure host agent; public by number, answered by the host
  '192.0.0.192', // Oracle Cloud Classic
  '100.100.100.200', // Alibaba Cloud
  'fd00:ec2::254', // AWS
  'fd00:ec2::23', // AWS pod identity
  'fd20:ce::254', // Google Cloud
  'fd00:42::42', // Scaleway
])

/** The range of an address. Text that is not an address in canonical form is 'not_an_address'. */
export function addressRange(address: string): AddressRange {
  if (isIP(address) === 0) return 'not_an_address'
  // A zone names an interface of this machine; no public address has one.
  const zoned = address.includes('%')
  const parsed = ipaddr.parse(address.replace(/%.*$/, ''))
  if (METADATA.has(parsed.toString())) return 'metadata'
  if (parsed.kind() === 'ipv4') return ipv4Range(parsed as ipaddr.IPv4)
  const range = ipv6Range(parsed as ipaddr.IPv6)
  return zoned && range === 'public' ? 'zoned' : range
}

function ipv4Range(address: ipaddr.IPv4): AddressRange {
  if (METADATA.has(address.toString())) return 'metadata'
  const range = address.range()
  return range === 'unicast' ? 'public' : range
}

function ipv6Range(address: ipaddr.IPv6): AddressRange {
  const carried = carriedIpv4(address.parts)
  const carriedRange = carried ? ipv4Range(carried) : 'public'
  if (carriedRange !== 'public') return carriedRange

  const range: string = address.range()
  // Written as IPv6, delivered as IPv4: mapped addresses, and NAT64, through which a host without IPv4 reaches
  // public IPv4 services. The local-use NAT64 prefix (64:ff9b:1::/48) is not one of them.
  if (range === 'ipv4Mapped' || (range === 'rfc6052' && address.parts[2] === 0)) return 'public'
  // 6to4 and Teredo stay closed whatever they contain: both are retired, and anyone may run their relays.
  if (range !== 'unicast') return range
  return ((address.parts[0] ?? 0) & 0xe000) === 0x2000 ? 'public' : 'reserved'
}

/** The IPv4 address to which packets for an IPv6 address are delivered, for every known kind of embedding. */
function carriedIpv4(parts: number[]): ipaddr.IPv4 | undefined {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = parts
  if (a === 0x2002) return ipv4(b, c) // 6to4
  if (a === 0x2001 && b === 0) return ipv4(g ^ 0xffff, h ^ 0xffff) // Teredo inverts the client's address
  if (a === 0x64 && b === 0xff9b) return ipv4(g, h) // NAT64
  if (f === 0x5efe && (e === 0 || e === 0x200)) return ipv4(g, h) // ISATAP
  if ((a | b | c | d) !== 0) return undefined
  const compatible = e === 0 && f === 0
  const mapped = e === 0 && f === 0xffff
  const translated = e === 0xffff && f === 0
  return compatible || mapped || translated ? ipv4(g, h) : undefined
}

const ipv4 = (high: number, low: number) => new ipaddr.IPv4([high >> 8, high & 0xff, low >> 8, low & 0xff])
