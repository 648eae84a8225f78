// A primary and its synchronous standby: what is acknowledged is on both, so that the standby may take over at any moment.
import { setTimeout as sleep } from 'node:timers/promises'
import { makePostgres, type Postgres } from './postgres.ts'

export type Pair = {
  /** Of both servers, as a node is given it. */
  url: string
  primary(): Postgres
  standby(): Postgres
  /** The primary is gone without any farewell (`kill`), or stands still (`hang`); the standby takes over. */
  failOver(how: 'kill' | 'hang'): Promise<void>
  /** The former primary becomes the standby, with a new copy of the data. Resolves when commits wait for it. */
  rebuild(): Promise<void>
  stop(): Promise<void>
}

const IN_SYNC_MS_MAX = 120_000
const DATABASE = 'runyard'

export async function makePair(home: string): Promise<Pair> {
  const pair = new StandbyPair(await makePostgres('alpha', home), await makePostgres('beta', home))
  await pair.begin()
  return pair
}

class StandbyPair implements Pair {
  readonly url: string
  #primary: Postgres
  #standby: Postgres

  constructor(primary: Postgres, standby: Postgres) {
    this.#primary = primary
    this.#standby = standby
    this.url = `postgres://runyard@127.0.0.1:${primary.port},127.0.0.1:${standby.port}/${DATABASE}`
  }

  primary = (): Postgres => this.#primary
  standby = (): Postgres => this.#standby

  async begin(): Promise<void> {
    await this.#primary.start()
    await this.#primary.ask(`create database ${DATABASE}`)
    await this.#followPrimary()
  }

  async failOver(how: 'kill' | 'hang'): Promise<void> {
    if (how === 'kill') await this.#primary.kill()
    else await this.#primary.hang()
    await this.#standby.promote()
    ;[this.#primary, this.#standby] = [this.#standby, this.#primary]
  }

  async rebuild(): Promise<void> {
    await this.#standby.kill()
    await this.#followPrimary()
  }

  async stop(): Promise<void> {
    this.#standby.goOn()
    await Promise.all([this.#standby.stop(), this.#primary.stop()])
  }

  /** Commits wait for the standby once it has everything that was committed without it. */
  async #followPrimary(): Promise<void> {
    await this.#standby.copyFrom(this.#primary)
    await this.#standby.start()
    await this.#until(`select from pg_stat_replication where state = 'streaming'`)
    await this.#primary.ask(`alter system set synchronous_standby_names = '*'`)
    await this.#primary.ask('select pg_reload_conf()')
    const [end] = await this.#primary.ask<{ lsn: string }>('select pg_current_wal_flush_lsn()::text as lsn')
    await this.#until(
      `select from pg_stat_replication where sync_state = 'sync' and flush_lsn >= '${end!.lsn}'::pg_lsn`,
    )
  }

  async #until(statement: string): Promise<void> {
    const endMs = performance.now() + IN_SYNC_MS_MAX
    while ((await this.#primary.ask(statement)).length === 0) {
      if (performance.now() > endMs) throw new Error(`not so on ${this.#primary.name}: ${statement}`)
      await sleep(100)
    }
  }
}
