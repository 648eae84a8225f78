// Settings about people and their browsers, as config.ts reads them: each throws an Error that says what it should be.
import ipaddr from 'ipaddr.js'
import { type GroupRole, readGroupRole } from '#access/people/group-roles.ts'
import type { MailSettings } from '#alerts/mailer.ts'
import type { OidcSettings } from '#http/session/oidc.ts'

/** An http or https address; a path in it is the base path. */
export function publicAddressOf(text: string): { origin: string | undefined; basePath: string } {
  if (text === '') return Object.freeze({ origin: undefined, basePath: '' })
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '' || url.username !== '')
    throw new Error(
      `RUNYARD_PUBLIC_URL must be an http or https address, e.g. https://runyard.example.com, not "${text}"`,
    )
  return Object.freeze({ origin: url.origin, basePath: url.pathname.replace(/\/+$/, '') })
}

/** The URL holds a password, so it is not repeated. */
export function mailOf(url: string, from: string): MailSettings | undefined {
  if (url === '') return undefined
  if (!/^smtps?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw new Error('RUNYARD_SMTP_URL must be a URL such as smtp://user:password@mail.example.com:587')
  if (!/^[^<>\r\n]*<?[^\s@<>]+@[^\s@<>]+>?$/.test(from))
    throw new Error('RUNYARD_MAIL_FROM must be an address such as Runyard <runyard@example.com>')
  return Object.freeze({ url, from })
}

const listOf = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')

export function originsOf(text: string): ReadonlySet<string> {
  const origins = listOf(text)
  const wrong = origins.find((it) => it !== '*' && !(URL.canParse(it) && new URL(it).origin === it))
  if (wrong !== undefined)
    throw new Error(`RUNYARD_CORS_ORIGINS must be origins such as https://app.example.com, or *; "${wrong}" is not one`)
  return new Set(origins)
}

export function networksOf(text: string): string[] {
  const networks = listOf(text)
  const wrong = networks.find((it) => !ipaddr.isValid(it) && !ipaddr.isValidCIDR(it))
  if (wrong !== undefined)
    throw new Error(`RUNYARD_TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8; "${wrong}" is not one`)
  return networks
}

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

type Oidc = 'ISSUER' | 'CLIENT_ID' | 'CLIENT_SECRET' | 'SCOPES' | 'DOMAINS' | 'GROUPS_CLAIM' | 'ROLES'

/** Undefined where no identity provider is set. */
export function oidcOf(
  text: (name: `RUNYARD_OIDC_${Oidc}`) => string,
  origin: string | undefined,
): OidcSettings | undefined {
  const issuer = text('RUNYARD_OIDC_ISSUER')
  if (issuer === '') return undefined
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined
  if (!url || !(url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname))))
    throw new Error(`RUNYARD_OIDC_ISSUER must be an https address, not "${issuer}"`)
  if (text('RUNYARD_OIDC_CLIENT_ID') === '')
    throw new Error('RUNYARD_OIDC_CLIENT_ID is needed with RUNYARD_OIDC_ISSUER')
  if (origin === undefined) throw new Error('RUNYARD_PUBLIC_URL is needed with RUNYARD_OIDC_ISSUER')
  return Object.freeze({
    issuer: url,
    clientId: text('RUNYARD_OIDC_CLIENT_ID'),
    clientSecret: text('RUNYARD_OIDC_CLIENT_SECRET') || undefined,
    scopes: text('RUNYARD_OIDC_SCOPES'),
    groupsClaim: text('RUNYARD_OIDC_GROUPS_CLAIM'),
    domains: listOf(text('RUNYARD_OIDC_DOMAINS').toLowerCase()),
    roles: listOf(text('RUNYARD_OIDC_ROLES')).map(groupRoleOf),
  })
}

function groupRoleOf(text: string): GroupRole {
  const entry = readGroupRole(text)
  if (!entry)
    throw new Error(`RUNYARD_OIDC_ROLES must be of <group>=<role>@<project> or <group>=owner; "${text}" is not`)
  return entry
}
