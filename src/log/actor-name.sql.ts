// What people call an actor. Users and keys have names that change, so the log has their ids, and names are looked up.
import type { Db } from '#postgres/sql.ts'

type ActorColumns = 'actor' | 'i.answered_by' | 'created_by'

/** Ids may be strings that clients chose; only one of ours is looked up. */
const OWN_ID = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'

export const actorName = (sql: Db, actor: ActorColumns) => {
  const [type, id] = [sql.unsafe(`${actor}_type`), sql.unsafe(`${actor}_id`)]
  return sql`
    case when ${id} ~ ${sql.unsafe(`'${OWN_ID}'`)} then
      case ${type}
        when 'user' then (select u.name from users u where u.id = ${id}::uuid)
        when 'api_key' then (select k.name from api_keys k where k.id = ${id}::uuid)
      end
    end`
}
