// PgBouncer in transaction mode in front of a test's database, with fewer connections to the server than nodes open to it.
import { execFileSync } from 'node:child_process'
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inject, onTestFinished } from 'vitest'
import { findAccount, isRoot } from '#postgres/embedded/account.ts'
import { type Program, startProgram } from '../../chaos/stage/programs.ts'
import { closedPort } from '../local-servers.ts'

/** Undefined, with the reason printed, where there is none; an error where RUNYARD_TEST_REQUIRE says that there must be. */
export const poolerMissing: string | undefined = (() => {
  try {
    execFileSync('pgbouncer', ['--version'], { stdio: 'ignore' })
    return undefined
  } catch {
    const reason = 'pgbouncer is not installed, so tests with it are skipped'
    if (process.env.RUNYARD_TEST_REQUIRE?.includes('pgbouncer')) throw new Error(reason)
    console.warn(reason)
    return reason
  }
})()

export type Pooler = { url: string; start(): Promise<void>; kill(): Promise<void> }

/** `more` are further lines of its settings. It is started. */
export async function testPooler(databaseUrl: string, more: readonly string[] = []): Promise<Pooler> {
  const account = isRoot() ? await findAccount() : undefined
  const home = await mkdtemp(join(inject('testRoot'), 'pooler-'))
  await chmod(home, 0o755)
  if (account) await chown(home, account.uid, account.gid)
  const port = await closedPort()
  const { hostname, port: serverPort, username, password, pathname } = new URL(databaseUrl)
  const database = pathname.slice(1)
  const file = join(home, 'pgbouncer.ini')
  const to = `host=${hostname} port=${serverPort} dbname=${database} user=${username} password=${password || 'none'}`
  const settings = [
    '[databases]',
    `${database} = ${to}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = any',
    'pool_mode = transaction',
    'default_pool_size = 3',
    'max_client_conn = 200',
    ...more,
    '',
  ]
  await writeFile(file, settings.join('\n'))
  let program: Program | undefined
  const kill = async () => program?.end('SIGKILL')
  onTestFinished(async () => {
    await kill()
    await rm(home, { recursive: true, force: true })
  })
  const pooler: Pooler = {
    url: `postgres://${username}@127.0.0.1:${port}/${database}`,
    async start() {
      program = startProgram('pgbouncer', [file], { logFile: join(home, 'log'), account })
    },
    kill,
  }
  await pooler.start()
  return pooler
}
