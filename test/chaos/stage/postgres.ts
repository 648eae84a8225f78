// A PostgreSQL server of the stage: a primary or a standby, which may be killed, stopped, promoted and made anew.
import { appendFile, chown, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Account, findAccount, isRoot } from '#postgres/embedded/account.ts'
import { connect, type Sql } from '#postgres/sql.ts'
import { childrenOf, freePort, type Program, run, signalTo, startProgram } from './programs.ts'

export type Postgres = {
  name: string
  port: number
  url(database?: string): string
  start(): Promise<void>
  stop(): Promise<void>
  /** All its processes in one moment, as when its machine loses power. */
  kill(): Promise<void>
  /** All its processes stand still, and their connections look alive, until `goOn` or `kill`. */
  hang(): Promise<void>
  goOn(): void
  promote(): Promise<void>
  /** Becomes a standby of `primary`, from a new copy of its data. Not started. */
  copyFrom(primary: Postgres): Promise<void>
  ask<Row extends object>(statement: string): Promise<Row[]>
}

export const POSTGRES_15 = '/usr/lib/postgresql/15'
const ROLE = 'runyard'
const READY_MS_MAX = 60_000

const SETTINGS = `
listen_addresses = '127.0.0.1'
max_connections = 300
shared_buffers = 128MB
max_wal_size = 2GB
wal_keep_size = 256MB
# A standby that is gone is noticed, and takes nothing with it.
wal_sender_timeout = 5s
wal_receiver_timeout = 5s
wal_retrieve_retry_interval = 500ms
autovacuum_naptime = 10s
`

/** A new cluster of its own folder below `home`, which the account of PostgreSQL can enter. */
export async function makePostgres(name: string, home: string): Promise<Postgres> {
  const server = new StagePostgres(name, home, isRoot() ? await findAccount() : undefined, await freePort())
  await server.make()
  return server
}

class StagePostgres implements Postgres {
  readonly name: string
  readonly port: number
  readonly #home: string
  readonly #folder: string
  readonly #account: Account | undefined
  #program: Program | undefined
  #stopped: number[] = []

  constructor(name: string, home: string, account: Account | undefined, port: number) {
    this.name = name
    this.port = port
    this.#home = join(home, name)
    this.#folder = join(this.#home, 'data')
    this.#account = account
  }

  async make(): Promise<void> {
    await mkdir(this.#home, { recursive: true })
    if (this.#account) await chown(this.#home, this.#account.uid, this.#account.gid)
    await this.#run('initdb', [
      '-D',
      this.#folder,
      '-U',
      ROLE,
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--locale',
      'C.UTF-8',
      '--no-sync',
    ])
    await appendFile(join(this.#folder, 'postgresql.conf'), SETTINGS)
  }

  url(database = 'postgres'): string {
    return `postgres://${ROLE}@127.0.0.1:${this.port}/${database}`
  }

  async start(): Promise<void> {
    const own = ['-c', `port=${this.port}`, '-c', `unix_socket_directories=${this.#home}`]
    this.#program = startProgram(join(POSTGRES_15, 'bin/postgres'), ['-D', this.#folder, ...own], {
      logFile: join(this.#home, 'log'),
      account: this.#account,
    })
    const endMs = performance.now() + READY_MS_MAX
    while (!(await this.#answers())) {
      if (!this.#program.isRunning() || performance.now() > endMs)
        throw new Error(
          `${this.name} does not start:\n${(await readFile(join(this.#home, 'log'), 'utf8')).slice(-2000)}`,
        )
      await sleep(50)
    }
  }

  async stop(): Promise<void> {
    await this.#program?.end('SIGINT')
  }

  async kill(): Promise<void> {
    await this.#signalAll('SIGKILL')
    await this.#program?.ended
    // What was forked in that moment ends by itself once it misses its parent.
    this.#stopped = []
  }

  async hang(): Promise<void> {
    this.#stopped = await this.#signalAll('SIGSTOP')
  }

  goOn(): void {
    for (const pid of this.#stopped) signalTo(pid, 'SIGCONT')
    this.#stopped = []
  }

  async promote(): Promise<void> {
    await this.#run('pg_ctl', ['-D', this.#folder, '-w', '-s', 'promote'])
  }

  async copyFrom(primary: Postgres): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
    const from = `host=127.0.0.1 port=${primary.port} user=${ROLE} application_name=${this.name}`
    await this.#run('pg_basebackup', ['-D', this.#folder, '-R', '-X', 'stream', '-c', 'fast', '-N', '-d', from])
  }

  async ask<Row extends object>(statement: string): Promise<Row[]> {
    const sql = connect(this.url(), { max: 1, name: 'chaos', statementTimeoutMs: 20_000 })
    return [...(await sql.unsafe<Row[]>(statement).finally(() => sql.end({ timeout: 1 })))]
  }

  async #answers(): Promise<boolean> {
    return this.ask('select 1').then(
      () => true,
      () => false,
    )
  }

  /** First the one that makes others. */
  async #signalAll(name: NodeJS.Signals): Promise<number[]> {
    const { pid } = this.#program!
    signalTo(pid, name === 'SIGKILL' ? 'SIGSTOP' : name)
    const all = [pid, ...(await childrenOf(pid))]
    for (const one of all) signalTo(one, name)
    return all
  }

  #run(program: string, args: string[]): Promise<string> {
    return run(join(POSTGRES_15, 'bin', program), args, this.#account)
  }
}

/** A pool for looking from outside. */
export const lookAt = (url: string): Sql => connect(url, { max: 2, name: 'chaos', statementTimeoutMs: 60_000 })
