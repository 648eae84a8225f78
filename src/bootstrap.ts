// What an empty database needs before the first request: the project `default`, a key, the secret of run tokens.
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hashKey, newApiKey, shownPrefix } from '#access/api-keys.ts'
import {
  findValidKey,
  insertFirstKey,
  insertKey,
  insertProject,
  replaceFirstKey,
  sharedSecret,
} from '#access/keys.sql.ts'
import { makePartitions } from '#log/partitions.sql.ts'
import { newId } from '#postgres/id.ts'
import type { Sql } from '#postgres/sql.ts'

export type Bootstrapped = {
  tokenSecret: string
  key: string | undefined
  /** True when the key was just created: it is shown once. */
  isNew: boolean
}

type Log = (line: string) => void
type Options = { dataDir: string; apiKey: string | undefined; keepKey: boolean; log: Log }

/**
 * Safe on every node at once. `keepKey`: a generated key is stored in the data folder, for the next start on this
 * machine.
 */
export async function bootstrap(sql: Sql, { dataDir, apiKey, keepKey, log }: Options): Promise<Bootstrapped> {
  await makePartitions(sql)
  await insertProject(sql, { id: 'default', name: 'Default' })
  const tokenSecret = await sharedSecret(sql, 'run_token_secret', randomBytes(32).toString('base64url'))
  const file = join(dataDir, 'api-key')
  const kept = keepKey && apiKey === undefined ? await readFile(file, 'utf8').catch(() => undefined) : undefined
  const known = kept?.trim()
  if (apiKey) {
    const { revoked } = await replaceFirstKey(sql, firstKey(apiKey))
    for (const prefix of revoked) log(`RUNYARD_API_KEY replaces the key ${prefix}…, which is revoked`)
    return { tokenSecret, key: await openOnly(sql, apiKey, log, 'RUNYARD_API_KEY'), isNew: false }
  }
  if (known) {
    const made = await insertKey(sql, firstKey(known))
    return { tokenSecret, key: await openOnly(sql, known, log, file), isNew: made !== undefined }
  }
  const fresh = newApiKey()
  if (!(await insertFirstKey(sql, firstKey(fresh)))) return { tokenSecret, key: undefined, isNew: false }
  if (keepKey) await writeFile(file, `${fresh}\n`, { mode: 0o600 })
  return { tokenSecret, key: fresh, isNew: true }
}

/**
 * The key, unless it was revoked or replaced by a later one: then it no longer works, and must not be shown as if it
 * did.
 */
async function openOnly(sql: Sql, key: string, log: Log, from: string): Promise<string | undefined> {
  if (await findValidKey(sql, hashKey(key))) return key
  log(
    `the key of ${from} was revoked or replaced by a later one, and no longer works; set RUNYARD_API_KEY to a new one`,
  )
  return undefined
}

/** Has all scopes in its project, and may create others: it belongs to the operator of the installation. */
const firstKey = (key: string) => ({
  id: newId(),
  projectId: 'default',
  name: 'first key',
  prefix: shownPrefix(key),
  hash: hashKey(key),
  scopes: ['admin', 'projects'],
  createdBy: null,
})
