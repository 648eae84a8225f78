// What switching an agent off does to its runs: those in the queue are held, those being executed are stopped.
import type { Db } from '#postgres/sql.ts'
import type { AgentName } from './agents.sql.ts'

// A held run stays queued with a due time of infinity: its time to live goes on, and only the switch releases it.

/** Holds back queued runs of agents that are off; answers how many. */
export async function holdRuns(sql: Db, limit: number): Promise<number> {
  const rows = await sql`
    with off as materialized (
      -- Under a lock: who switches it on again waits for this, and then finds everything that is held.
      select project_id, id from agents
      where not enabled
      order by project_id, id for share
    ), names as materialized (
      -- All of them, before the first place in the queue: everybody locks agents before what is theirs.
      select array_agg(project_id) as projects, array_agg(id) as ids
      from off
    )
    update run_queue set ready = false, due_at = 'infinity'
    where run_id = any(
      array(
        select q.run_id
        from names
        cross join lateral unnest(projects, ids) as a (project_id, id)
        cross join lateral (
          select run_id from run_queue q
          where q.project_id = a.project_id
            and q.agent_id = a.id
            and q.ready
          limit ${limit}
          for update skip locked
        ) q
        limit ${limit}
      )
    )
    returning run_id`
  return rows.length
}

/** Lets them go; answers the queues that they are in. */
export async function releaseRuns(sql: Db, { projectId, agentId }: AgentName): Promise<string[]> {
  const rows = await sql<{ queue: string }[]>`
    update run_queue set ready = true, due_at = clock_timestamp()
    where project_id = ${projectId}
      and agent_id = ${agentId}
      and not ready
      and due_at = 'infinity'
    returning queue`
  return [...new Set(rows.map((row) => row.queue))]
}

/** Runs that are executed, or about to be, on behalf of agents that are off. */
export const readRunsToStop = async (sql: Db, limit: number): Promise<{ runId: string; state: string }[]> => [
  ...(await sql<{ runId: string; state: string }[]>`
    select l.run_id as "runId", s.state
    from leases l
    cross join lateral (select agent_id, project_id from runs where id = l.run_id offset 0) r
    join run_states s on s.run_id = l.run_id
    where r.agent_id is not null
      and exists (
        select from agents a
        where a.project_id = r.project_id
          and a.id = r.agent_id
          and not a.enabled
      )
    limit ${limit}`),
]

export async function anyAgentOff(sql: Db): Promise<boolean> {
  const [row] = await sql<{ off: boolean }[]>`select exists (select from agents where not enabled) as off`
  return row!.off
}
