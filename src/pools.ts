// The connections of a node to PostgreSQL.
import type { Logger } from 'pino'
import { recognizeServer } from '#log/server/recognize-server.ts'
import { makeWitness, type Witness } from '#log/server/witness.ts'
import { type Hosts, makeHosts } from '#postgres/hosts/hosts.ts'
import { pinRoleSettings } from '#postgres/hosts/role-settings.ts'
import { readWhere } from '#postgres/hosts/system.ts'
import { connect, type Sql } from '#postgres/sql.ts'
import type { Closing } from './closing.ts'
import type { Config } from './config.ts'

export type Pools = {
  /** Of PostgreSQL itself, also where calls go through a pooler. */
  hosts: Hosts
  apiSql: Sql
  readSql: Sql
  /** Never through a pooler: duties hold locks in sessions, and migrations too. */
  engineSql: Sql
  witness: Witness
  /** To be called once the schema is there, before `apiSql` and `readSql` are used. */
  begin(): Promise<void>
}

/** `directUrl`: of PostgreSQL itself, where `url` is that of a pooler in transaction mode. */
type PoolsOf = { url: string; directUrl: string | undefined; node: string; sizes: Config['pool']; log: Logger }

/** Connections by use, so that none of them can take all: calls, lists with a plan for each, and the engine. */
export function openPools({ url, directUrl, node, sizes, log }: PoolsOf, opened: Closing): Pools {
  const { statementTimeoutMs, apiConnections, readConnections, engineConnections } = sizes
  const warn = (line: string) => log.warn(line)
  const hosts = makeHosts(directUrl ?? url, { log: warn })
  const ofCalls = directUrl === undefined ? hosts : makeHosts(url, { pooled: true })
  const open = (to: Hosts, name: string, max: number, more: Partial<Parameters<typeof connect>[1]> = {}) => {
    const sql = connect(to, { max, name, statementTimeoutMs, ...more })
    opened.add(() => sql.end({ timeout: 5 }))
    return sql
  }
  /** The log recognizes a new server before anything is written there. */
  async function recognize(there: Hosts): Promise<void> {
    const sql = connect(there, { max: 1, name: 'runyard-takeover', statementTimeoutMs })
    try {
      await recognizeServer(sql, { log })
      await witness.examine(sql)
    } finally {
      await sql.end({ timeout: 1 })
    }
  }
  const engineSql = open(hosts, 'runyard-engine', engineConnections)
  const witness = makeWitness({ sql: engineSql, node, log })
  opened.add(witness.close)
  return {
    hosts,
    apiSql: open(ofCalls, 'runyard-api', apiConnections, { log: warn }),
    readSql: open(ofCalls, 'runyard-reads', readConnections, { plans: 'each' }),
    engineSql,
    witness,
    async begin() {
      hosts.onNewServer(recognize)
      if (ofCalls === hosts) return
      ofCalls.onNewServer(async (there) => {
        await recognize(hosts)
        await refuseAnother(there, engineSql)
      })
      await pinRoleSettings(engineSql, statementTimeoutMs)
    },
  }
}

/** Through the pooler and past it, the same database is to be found: else calls and duties would work on two. */
async function refuseAnother(there: Hosts, direct: Sql): Promise<void> {
  const pooled = connect(there, { max: 1, name: 'runyard-takeover' })
  try {
    const [mine, theirs] = await Promise.all([readWhere(direct), readWhere(pooled)])
    if (mine !== theirs) throw new Error('DATABASE_URL and DATABASE_DIRECT_URL lead to different databases')
  } finally {
    await pooled.end({ timeout: 1 })
  }
}
