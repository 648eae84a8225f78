// API keys: 256 random bits behind a readable prefix. Only their SHA-256 is kept, so a stolen database opens nothing.
import { createHash, randomBytes } from 'node:crypto'

export const KEY_PREFIX = 'ry_'
const SHOWN_LENGTH = 11

export const newApiKey = (): string => KEY_PREFIX + randomBytes(32).toString('base64url')

export const hashKey = (key: string): Buffer => createHash('sha256').update(key).digest()

/** What may be shown of a key, to recognise it by. */
export const shownPrefix = (key: string): string => key.slice(0, Math.min(SHOWN_LENGTH, Math.floor(key.length / 3)))
