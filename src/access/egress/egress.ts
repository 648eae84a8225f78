// Decides where Runyard may connect on behalf of a job: once when an endpoint is stored, and again at
// every dial, which connects to exactly the addresses that were checked (no DNS rebinding).

import { lookup as lookupName } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { part } from '#bell/part.ts'
import { addressRange } from './address.ts'
import { type AllowList, isListedAddress, isListedName } from './allow-list.ts'
import { isMetadataName } from './metadata-names.ts'

/**
 * `public`: only public addresses and ports. `any`: the operator trusts the jobs with private networks too. A list:
 * public addresses, and those on the list.
 */
export type Egress = 'public' | 'any' | AllowList

/** Where this node's calls may go; public addresses only, unless the node sets otherwise. */
export const egressOf = part<Egress>(() => 'public')

export type ResolvedAddress = { address: string; family: number }
/** Resolves all addresses of a name. Tests provide their own. */
export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>

export type EndpointRefusal =
  | 'malformed_url'
  | 'too_long'
  | 'scheme'
  | 'credentials'
  | 'port'
  | 'private_name'
  | 'private_address'
  | 'metadata'
  | 'unresolvable'

export type EndpointCheck = { ok: true; url: URL } | { ok: false; reason: EndpointRefusal; message: string }

const URL_LENGTH_MAX = 2_048
const HOSTNAME_LENGTH_MAX = 253
const RESOLVE_MS_MAX = 5_000

// Ports where a POST can do harm to a service that is not HTTP: SSH, Telnet, mail, DNS, SMB, RDP,
// AMQP and the usual databases. Deliberately short; the address rules do most of the work.
const CLOSED_PORTS = new Set(
  '0 22 23 25 53 110 143 445 465 587 1433 1521 3306 3389 5432 5672 6379 11211 27017'.split(' '),
)

// Names that mean "this machine" or "this network" on any machine, even if they resolve to
// something public today.
const PRIVATE_NAME = /(^|\.)(localhost|localdomain|ip6-localhost|ip6-loopback|internal|local|home\.arpa)$/

/** Refuses a connection. `dns`: the name has no address. `refused_address`: it has one that is not allowed. */
export class EgressError extends Error {
  override readonly name = 'EgressError'
  readonly reason: 'dns' | 'refused_address'
  constructor(reason: EgressError['reason'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** Whether a job may have this endpoint. Every current address of it must be allowed. */
export async function checkEndpoint(
  text: string,
  egress: Egress,
  { resolve = systemResolve }: { resolve?: Resolve } = {},
): Promise<EndpointCheck> {
  const checked = inspectEndpoint(text, egress)
  if (!checked.ok) return checked
  const hostname = bareHostname(checked.url)
  // A trusted name may belong to a network that is not up yet; the dial decides.
  if (isIP(hostname) !== 0 || isTrusted(hostname, egress)) return checked
  try {
    const addresses = await within(RESOLVE_MS_MAX, resolve(hostname))
    const refused = firstRefused(addresses, { egress, hostname })
    if (refused) return refuse(refused.reason, `${hostname} ${refused.text}`)
    if (addresses.length > 0) return checked
  } catch (error) {
    return refuse('unresolvable', `${hostname} does not resolve: ${messageOf(error)}`)
  }
  return refuse('unresolvable', `${hostname} has no address`)
}

/** All checks that need no network. The dial repeats them before each call. */
export function inspectEndpoint(text: string, egress: Egress): EndpointCheck {
  if (text.length > URL_LENGTH_MAX) return refuse('too_long', `the URL is longer than ${URL_LENGTH_MAX} characters`)
  // Parsers disagree about these characters (one drops a tab, another turns \ into /), and a URL that two
  // parsers read differently is how checks are bypassed.
  if (/[\p{Cc}\s\\]/u.test(text)) return refuse('malformed_url', 'the URL holds white space or a backslash')
  const url = URL.parse(text)
  if (!url) return refuse('malformed_url', 'the URL cannot be parsed')
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return refuse('scheme', `only http and https are allowed, not ${url.protocol.slice(0, -1)}`)
  }
  if (url.username || url.password) return refuse('credentials', 'the URL holds credentials; put them in a header')

  // From here on the host is in the parser's canonical form: decimal, octal, hexadecimal and short spellings,
  // percent-encoding and Unicode digits have all become a dotted IPv4 address.
  const hostname = bareHostname(url)
  if (isIP(hostname) !== 0) {
    const refused = firstRefused([{ address: hostname, family: 0 }], { egress, hostname })
    if (refused) return refuse(refused.reason, `the host ${refused.text}`)
  } else {
    const labels = hostname.split('.')
    if (hostname.length > HOSTNAME_LENGTH_MAX || labels.some((label) => label.length === 0 || label.length > 63)) {
      return refuse('malformed_url', 'the host is not a name')
    }
    if (isMetadataName(hostname)) return refuse('metadata', `${hostname} is a cloud metadata service`)
    if (isPrivateName(hostname, egress) && !hasNetworks(egress))
      return refuse('private_name', `${hostname} is a private name${MAY_BE_LISTED}`)
  }
  if (egress !== 'any' && CLOSED_PORTS.has(url.port))
    return refuse('port', `port ${url.port} is not for HTTP; only RUNYARD_EGRESS=any opens it`)
  return { ok: true, url }
}

/**
 * A `lookup` for `net.connect`: resolves, refuses if any address is forbidden, and returns exactly what it
 * checked, so a name that changes its answer cannot slip past. A host that is an address never reaches a
 * `lookup`; callers check it with `inspectEndpoint`.
 */
export function guardedLookup(egress: Egress, resolve: Resolve = systemResolve): LookupFunction {
  return (hostname, options, done) => {
    resolveChecked(hostname, egress, resolve).then(
      (checked) => {
        const family = options.family === 'IPv4' ? 4 : options.family === 'IPv6' ? 6 : (options.family ?? 0)
        const usable = checked.filter((address) => family === 0 || address.family === family)
        const [first] = usable
        if (!first) return done(new EgressError('dns', `${hostname} has no IPv${family} address`), '')
        return options.all ? done(null, usable) : done(null, first.address, first.family)
      },
      (error: EgressError) => done(error, options.all ? [] : ''),
    )
  }
}

async function resolveChecked(hostname: string, egress: Egress, resolve: Resolve): Promise<ResolvedAddress[]> {
  if (isMetadataName(withoutDot(hostname))) {
    throw new EgressError('refused_address', `${hostname} is a cloud metadata service`)
  }
  const addresses = await resolve(hostname).catch((error: unknown) => {
    throw new EgressError('dns', `${hostname} does not resolve: ${messageOf(error)}`, { cause: error })
  })
  // One forbidden address refuses the whole name: otherwise an attacker could wait until it is the one tried.
  const refused = firstRefused(addresses, { egress, hostname: withoutDot(hostname) })
  if (refused) throw new EgressError('refused_address', `${hostname} ${refused.text}`)
  if (addresses.length === 0) throw new EgressError('dns', `${hostname} has no address`)
  return addresses.map(({ address }) => ({ address, family: isIP(address) }))
}

const MAY_BE_LISTED = '; the operator may list it in RUNYARD_EGRESS_ALLOW'

type Asked = { egress: Egress; hostname: string }
type Refused = { reason: EndpointRefusal; text: string }

/** What is wrong with the first forbidden address, prefixed with the name that has it. */
function firstRefused(addresses: readonly ResolvedAddress[], { egress, hostname }: Asked): Refused | undefined {
  const trusted = isTrusted(hostname, egress)
  for (const { address } of addresses) {
    const range = addressRange(address)
    const verb = address === hostname ? 'is' : 'resolves to'
    if (range === 'metadata') return { reason: 'metadata', text: `${verb} ${address}, a cloud metadata service` }
    if (trusted || (typeof egress === 'object' && isListedAddress(address, egress))) continue
    if (range !== 'public')
      return { reason: 'private_address', text: `${verb} ${address}, which is not public (${range})${MAY_BE_LISTED}` }
    // A local name that resolves elsewhere: it no longer is what the list was made for.
    if (isPrivateName(hostname, egress))
      return {
        reason: 'private_name',
        text: `is a private name outside of the networks that are allowed${MAY_BE_LISTED}`,
      }
  }
  return undefined
}

/** Whether this name is allowed wherever it resolves to, except for a metadata service. */
const isTrusted = (hostname: string, egress: Egress): boolean =>
  egress === 'any' || (typeof egress === 'object' && isListedName(hostname, egress))

const isPrivateName = (hostname: string, egress: Egress): boolean =>
  PRIVATE_NAME.test(hostname) && !isTrusted(hostname, egress)

/** If the list has networks, the addresses of a private name decide whether it is allowed. */
const hasNetworks = (egress: Egress): boolean => typeof egress === 'object' && egress.networks.length > 0

/** The hostname for a resolver: an IPv6 address without its brackets, a name without its trailing dot. */
const bareHostname = (url: URL) => withoutDot(url.hostname.replace(/^\[(.*)\]$/, '$1'))

const withoutDot = (hostname: string) => hostname.replace(/\.$/, '')

const refuse = (reason: EndpointRefusal, message: string): EndpointCheck => ({ ok: false, reason, message })

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

// The system's own resolver, so that /etc/hosts and a container network's names work as everywhere else.
const systemResolve: Resolve = (hostname) => lookupName(hostname, { all: true })

async function within<T>(boundMs: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${boundMs} ms`)), boundMs)
  return Promise.race([work, promise]).finally(() => clearTimeout(timer))
}
