// What every session of ours sets at connect. A role, a database or a server may have defaults of its own for all of
// these (ALTER ROLE … SET …), and what we read, seal, lock and plan must not depend on them.

export type SessionOptions = {
  name: string
  statementTimeoutMs: number
  plans: 'once' | 'each'
}

/** How values are written and read: the driver parses these texts, and seals hash them. */
const TRACKED = {
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
} as const
const TEXTS = {
  ...TRACKED,
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: '1',
  lc_monetary: 'C',
  lc_numeric: 'C',
  lc_time: 'C',
} as const

/** PostgreSQL's own default. An operator whose tables are elsewhere says so in DATABASE_URL: ?search_path=… */
export const SEARCH_PATH = '"$user", public'

/** What our statements mean. */
const MEANINGS = {
  search_path: SEARCH_PATH,
  standard_conforming_strings: 'on',
  backslash_quote: 'safe_encoding',
  array_nulls: 'on',
  transform_null_equals: 'off',
  quote_all_identifiers: 'off',
  check_function_bodies: 'on',
  default_table_access_method: 'heap',
  // Our statements see what was committed a moment ago, and decide by the rows that they lock.
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
} as const

/** Who may wait, and for how long. An idle connection of a pool is not an abandoned one. */
const TIMES = {
  lock_timeout: '10000',
  idle_in_transaction_session_timeout: '30000',
  idle_session_timeout: '0',
} as const

/** What plans rest on. */
const PLANS = {
  // The queue and the leases are empty one moment and full the next. A plan that was made for an empty table walks
  // it whole, and is kept; once in a while that cost the tenfold. Every statement here has an index to go by.
  enable_seqscan: 'off',
  enable_bitmapscan: 'on',
  enable_hashagg: 'on',
  enable_hashjoin: 'on',
  enable_indexonlyscan: 'on',
  enable_indexscan: 'on',
  enable_material: 'on',
  enable_mergejoin: 'on',
  enable_nestloop: 'on',
  enable_partition_pruning: 'on',
  enable_sort: 'on',
  constraint_exclusion: 'partition',
  enable_incremental_sort: 'on',
  enable_memoize: 'on',
  // A page that is read at random costs little more than one in its order, on any disk of today. By the server's own
  // default of 4 a list by one filter walks the whole project's index rather than look up the rows of its own.
  random_page_cost: '1.1',
  seq_page_cost: '1',
  cpu_tuple_cost: '0.01',
  cpu_index_tuple_cost: '0.005',
  cpu_operator_cost: '0.0025',
  from_collapse_limit: '8',
  join_collapse_limit: '8',
  // Our statements are short; compiling one takes longer than running it.
  jit: 'off',
  work_mem: '4MB',
} as const

/**
 * Left to the operator: `default_transaction_read_only`, which hosts turn on to protect a full disk, and
 * `synchronous_commit`, which may be stronger than ours. `lc_messages` takes a superuser, so no text of the server's
 * messages is ever compared.
 */
export const sessionSettings = ({ name, statementTimeoutMs, plans }: SessionOptions): Record<string, string> => ({
  ...TEXTS,
  ...MEANINGS,
  ...TIMES,
  ...PLANS,
  application_name: name,
  // As text: the driver leaves out a zero, and then the role's own limit would count.
  statement_timeout: String(statementTimeoutMs),
  // The statements that move runs are long, and planning one anew costs more than running it.
  plan_cache_mode: plans === 'once' ? 'force_generic_plan' : 'auto',
})

/** What a pooler in transaction mode keeps for each of its clients; all else is set for the role (role-settings.ts). */
export const pooledSettings = (name: string): Record<string, string> => ({ ...TRACKED, application_name: name })
