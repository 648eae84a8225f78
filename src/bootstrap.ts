// What an empty database needs before the first request: the project `default`, a key, the secret of run tokens.
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hashKey, newApiKey, shownPrefix } from '#access/api-keys.ts'
import { insertFirstKey, insertKey, insertProject, sharedSecret } from '#access/keys.sql.ts'
import { makePartitions } from '#log/partitions.sql.ts'
import { newId } from '#postgres/id.ts'
import type { Sql } from '#postgres/sql.ts'

export type Bootstrapped = {
  tokenSecret: string
  key: string | undefined
  /** True when the key was made just now: it is shown once. */
  isNew: boolean
}

type Options = { dataDir: string; apiKey: string | undefined; keepKey: boolean }

/** Safe on every node at once. `keepKey`: a key that is made is kept in the data folder, for the next start on this machine. */
export async function bootstrap(sql: Sql, { dataDir, apiKey, keepKey }: Options): Promise<Bootstrapped> {
  await makePartitions(sql)
  await insertProject(sql, { id: 'default', name: 'Default' })
  const tokenSecret = await sharedSecret(sql, 'run_token_secret', randomBytes(32).toString('base64url'))
  const file = join(dataDir, 'api-key')
  const kept = keepKey && apiKey === undefined ? await readFile(file, 'utf8').catch(() => undefined) : undefined
  const key = apiKey ?? kept?.trim()
  if (key) {
    const made = await insertKey(sql, firstKey(key))
    return { tokenSecret, key, isNew: made !== undefined && apiKey === undefined }
  }
  const fresh = newApiKey()
  if (!(await insertFirstKey(sql, firstKey(fresh)))) return { tokenSecret, key: undefined, isNew: false }
  if (keepKey) await writeFile(file, `${fresh}\n`, { mode: 0o600 })
  return { tokenSecret, key: fresh, isNew: true }
}

/** May do everything in its project, and make others: it belongs to the one who runs the installation. */
const firstKey = (key: string) => ({
  id: newId(),
  projectId: 'default',
  name: 'first key',
  prefix: shownPrefix(key),
  hash: hashKey(key),
  scopes: ['admin', 'projects'],
  createdBy: null,
})
