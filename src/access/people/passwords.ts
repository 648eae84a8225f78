// Passwords: scrypt (RFC 7914), kept in the PHC format with its parameters, so that they may be raised later. One costs
// 32 MiB and a good part of a second of a core, so few are computed at once.
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { refuse, refuseField } from '#core/error.ts'

type Cost = { ln: number; r: number; p: number }
/** As OWASP recommends for this much memory. */
const COST: Cost = { ln: 15, r: 8, p: 3 }
const SALT_BYTES = 16
const HASH_BYTES = 32
const MEMORY_BYTES_MAX = 128 * 1024 * 1024

const AT_ONCE_MAX = 2
const WAITING_MAX = 64

export const PASSWORD_LENGTH_MIN = 12

/** The PHC string of a new password. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const hash = await derive(password, salt, COST)
  return `$scrypt$ln=${COST.ln},r=${COST.r},p=${COST.p}$${salt.toString('base64url')}$${hash.toString('base64url')}`
}

const KEPT = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w-]+)\$([\w-]+)$/

/** Takes as long for an account that does not exist, or has no password: `kept` is then null. */
export async function isPassword(password: string, kept: string | null): Promise<boolean> {
  const [, ln, r, p, salt, hash] = KEPT.exec(kept ?? '') ?? []
  if (salt === undefined || hash === undefined) {
    await derive(password, Buffer.alloc(SALT_BYTES), COST)
    return false
  }
  const expected = Buffer.from(hash, 'base64url')
  const given = await derive(password, Buffer.from(salt, 'base64url'), { ln: Number(ln), r: Number(r), p: Number(p) })
  return expected.length === given.length && timingSafeEqual(expected, given)
}

/** Throws what a new password lacks. Length is what counts; rules about its characters make passwords worse. */
export function checkNewPassword(password: string, { name, email }: { name: string; email: string | null }): void {
  const told = password.toLowerCase()
  if ([...password].length < PASSWORD_LENGTH_MIN)
    throw refuseField('password', `must have ${PASSWORD_LENGTH_MIN} characters or more`)
  if (new Set(password).size < 5) throw refuseField('password', 'must have 5 different characters or more')
  if (told === email || told === name.toLowerCase()) throw refuseField('password', 'must not be the name or the e-mail')
}

let atOnce = 0
const waiting: (() => void)[] = []

async function derive(password: string, salt: Buffer, { ln, r, p }: Cost): Promise<Buffer> {
  await takeTurn()
  // The same characters may come composed or not, by keyboard.
  const text = password.normalize('NFKC')
  return scryptOf(text, salt, { N: 2 ** ln, r, p, maxmem: MEMORY_BYTES_MAX }).finally(passTurn)
}

async function takeTurn(): Promise<void> {
  if (atOnce < AT_ONCE_MAX) {
    atOnce++
    return
  }
  if (waiting.length >= WAITING_MAX) throw refuse('overloaded', { what: 'Sign-in', retryAfterMs: 1_000 })
  await new Promise<void>((resolve) => waiting.push(resolve))
}

function passTurn(): void {
  const next = waiting.shift()
  if (next) next()
  else atOnce--
}

const scryptOf = (password: string, salt: Buffer, options: ScryptOptions): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    scrypt(password, salt, HASH_BYTES, options, (error, hash) => (error ? reject(error) : resolve(hash)))
  })
