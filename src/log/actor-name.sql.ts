// What people call an actor. Users and keys have names that change, so the log has their ids, and names are looked up.
import type { Db } from '#postgres/sql.ts'

type ActorColumns = 'actor' | 'i.answered_by'

/** Ids may be strings that clients chose; only one of ours is looked up. */
const OWN_ID = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'

export const actorName = (sql: Db, actor: ActorColumns) => {
  const [type, id] = [sql.unsafe(`${actor}_type`), sql.unsafe(`${actor}_id`)]
  return sql`
    case when ${type} in ('user', 'api_key') and ${id} ~ ${sql.unsafe(`'${OWN_ID}'`)} then
      case ${type}
        when 'user' then (select u.name from users u where u.id = ${id}::uuid)
        else (select k.name from api_keys k where k.id = ${id}::uuid)
      end
    end`
}

/** Of people alone: most events are written by keys, and pages and streams of them should not look up each. */
export const userName = (sql: Db) => sql`
  case when actor_type = 'user' and actor_id ~ ${sql.unsafe(`'${OWN_ID}'`)}
    then (select u.name from users u where u.id = actor_id::uuid) end`
