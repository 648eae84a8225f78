// What people were asked by runs that move, as parts of moveRuns. They read its CTE `moved`.
import { riskOf } from '#core/policy.ts'
import { OVER_STATES } from '#core/run.ts'
import { type Db, type Fragment, literals } from '#postgres/sql.ts'

/**
 * Nobody need answer for a run that is over. One that begins again asks anew, but the next attempt goes on with a call
 * that waits for approval, and with a question that has a key. What is canceled gives its key free: a dead letter that
 * is redriven asks again under the same one.
 */
export const canceledQuestions = (sql: Db): Fragment => {
  const isOver = sql`state in (${literals(sql, OVER_STATES)})`
  return sql`
    update input_requests i set state = 'canceled', answered_at = clock_timestamp(), key = null
    where i.state = 'pending'
      and i.run_id = any(array(
        select moved.run_id from moved where ${isOver} or type in ('run.restarted', 'run.retry_scheduled')))
      and (i.authorization_id is null and i.key is null
        or i.run_id = any(array(select moved.run_id from moved where ${isOver})))
    returning authorization_id`
}

/** A call that nobody will approve any more is not made. Of the CTE `canceled_questions`. */
export const deniedCalls = (sql: Db): Fragment => sql`
  update authorizations
  set
    state = 'denied',
    reason = 'approval_denied',
    risk_level = ${literals(sql, [riskOf('approval_denied')])},
    key = null
  where state = 'asked'
    and id = any(array(
      select canceled_questions.authorization_id from canceled_questions where authorization_id is not null))`
