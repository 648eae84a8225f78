// The secrets of sessions and links: 256 random bits behind a prefix that says what they are. Only their SHA-256 is kept.
import { createHash, randomBytes } from 'node:crypto'

const SESSION_PREFIX = 'rys_'
const LINK_PREFIX = 'ryl_'

export const newSessionToken = (): string => SESSION_PREFIX + randomBytes(32).toString('base64url')
export const newLinkToken = (): string => LINK_PREFIX + randomBytes(32).toString('base64url')

export const hashToken = (token: string): Buffer => createHash('sha256').update(token).digest()
