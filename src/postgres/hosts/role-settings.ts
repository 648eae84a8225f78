// Behind a pooler in transaction mode a session is nobody's: what it is set to must be known to the server. So the
// settings of our sessions are those of our role in our database, and every session of the pooler begins with them.
import { sessionSettings } from '../session-settings.ts'
import type { Sql } from '../tag.ts'

/** `sql` leads to PostgreSQL itself. Safe on any number of nodes at once; what is set already is left alone. */
export async function pinRoleSettings(sql: Sql, statementTimeoutMs: number): Promise<void> {
  const { application_name: _, ...settings } = sessionSettings({ name: '', statementTimeoutMs, plans: 'each' })
  await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(hashtextextended('role settings', 2))`
    const changes = await tx<{ statement: string }[]>`
      select format(
        'alter role %I in database %I set %s %s',
        current_user,
        current_database(),
        wanted.name,
        -- A list of names: in quotes it would be one name.
        case when wanted.name = 'search_path' then 'from current' else '= ' || quote_literal(wanted.value) end
      ) as statement
      from unnest(${Object.keys(settings)}::text[], ${Object.values(settings)}::text[]) as wanted (name, value)
      left join pg_roles r on r.rolname = current_user
      left join pg_database d on d.datname = current_database()
      left join pg_db_role_setting s on s.setrole = r.oid and s.setdatabase = d.oid
      where not coalesce(wanted.name || '=' || wanted.value = any(s.setconfig), false)`
    for (const { statement } of changes) await tx.unsafe(statement)
  })
}
