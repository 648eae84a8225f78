// API keys: 256 random bits after a readable prefix. Only their SHA-256 is stored, so a stolen database grants no
// access.
import { createHash, randomBytes } from 'node:crypto'

export const KEY_PREFIX = 'ry_'
const SHOWN_LENGTH = 11

export const newApiKey = (): string => KEY_PREFIX + randomBytes(32).toString('base64url')

export const hashKey = (key: string): Buffer => createHash('sha256').update(key).digest()

/** The part of a key that may be shown, for recognising it. */
export const shownPrefix = (key: string): string => key.slice(0, Math.min(SHOWN_LENGTH, Math.floor(key.length / 3)))
