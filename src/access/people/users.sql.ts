// Users and their roles. A user who was removed stays as a row, because the log names them.
import type { Role } from '#core/roles.ts'
import type { Db } from '#postgres/sql.ts'

export type UserRow = {
  id: string
  name: string
  email: string | null
  hasPassword: boolean
  isOwner: boolean
  createdAt: Date
}

export type MemberRow = UserRow & { role: Role; lastSeenAt: Date | null }

const columns = (sql: Db) => sql`
  u.id,
  u.name,
  u.email,
  u.password is not null as "hasPassword",
  u.is_owner as "isOwner",
  u.created_at as "createdAt"`

export type NewUser = {
  id: string
  name: string
  email: string | null
  isOwner: boolean
  createdBy: string | null
}

/** Undefined when the e-mail address is taken. */
export async function insertUser(sql: Db, it: NewUser): Promise<UserRow | undefined> {
  const [row] = await sql<UserRow[]>`
    insert into users as u (id, name, email, is_owner, created_by)
    values (${it.id}, ${it.name}, ${it.email}, ${it.isOwner}, ${it.createdBy})
    on conflict (email) where removed_at is null do nothing
    returning ${columns(sql)}`
  return row
}

/** Locks the user, so that of two changes the second sees the first. */
export async function lockUser(tx: Db, userId: string): Promise<UserRow | undefined> {
  const [row] = await tx<UserRow[]>`
    select ${columns(tx)} from users u
    where u.id = ${userId}
      and u.removed_at is null
    for update`
  return row
}

/** One at a time: there must be one first user, and never no owner at all. */
export const lockOwners = (tx: Db) => tx`select pg_advisory_xact_lock(hashtextextended('owners', 3))`

/** Owners, oldest first. */
export const listOwners = async (sql: Db, limit: number): Promise<UserRow[]> => [
  ...(await sql<UserRow[]>`
    select ${columns(sql)} from users u
    where u.is_owner
      and u.removed_at is null
    order by u.created_at, u.id
    limit ${limit}`),
]

/** The user with this address, and how their password is kept. */
export async function findAccount(
  sql: Db,
  email: string,
): Promise<(UserRow & { password: string | null }) | undefined> {
  const [row] = await sql<(UserRow & { password: string | null })[]>`
    select ${columns(sql)}, u.password from users u
    where u.email = ${email}
      and u.removed_at is null`
  return row
}

export async function findPassword(sql: Db, userId: string): Promise<string | null> {
  const [row] = await sql<{ password: string | null }[]>`select password from users where id = ${userId}`
  return row?.password ?? null
}

export const setPassword = (sql: Db, userId: string, password: string | null) =>
  sql`update users set password = ${password} where id = ${userId}`

export type UserChange = { name?: string | undefined; email?: string | null | undefined; isOwner?: boolean | undefined }

/** What is left out stays. False when the address is taken. */
export async function updateUser(tx: Db, userId: string, { name, email, isOwner }: UserChange): Promise<boolean> {
  const [taken] = email
    ? await tx`
      select from users
      where email = ${email}
        and removed_at is null
        and id <> ${userId}`
    : []
  if (taken) return false
  await tx`
    update users
    set name = coalesce(${name ?? null}, name),
      email = ${email === undefined ? tx`email` : tx`${email}::text`},
      is_owner = coalesce(${isOwner ?? null}::boolean, is_owner)
    where id = ${userId}`
  return true
}

export const removeUser = (tx: Db, userId: string) =>
  tx`update users set removed_at = now(), password = null where id = ${userId}`

export const setRole = (sql: Db, it: { projectId: string; userId: string; role: Role }) => sql`
  insert into project_members (project_id, user_id, role)
  values (${it.projectId}, ${it.userId}, ${it.role})
  on conflict (project_id, user_id) do update set role = excluded.role`

/** False when they were no member. */
export async function deleteMember(tx: Db, projectId: string, userId: string): Promise<boolean> {
  const rows = await tx`
    delete from project_members
    where project_id = ${projectId}
      and user_id = ${userId}
    returning user_id`
  return rows.length > 0
}

/** Owners are members of every project, and its admins. */
const members = (sql: Db, projectId: string) => sql`
  users u left join project_members m on m.user_id = u.id and m.project_id = ${projectId}
  where u.removed_at is null
    and (m.user_id is not null or u.is_owner)`

const memberColumns = (sql: Db) => sql`
  ${columns(sql)},
  case when u.is_owner then 'admin' else m.role end as role,
  (select max(s.seen_at) from sessions s where s.user_id = u.id and s.ended_at is null) as "lastSeenAt"`

export async function findMember(sql: Db, projectId: string, userId: string): Promise<MemberRow | undefined> {
  const [row] = await sql<MemberRow[]>`
    select ${memberColumns(sql)} from ${members(sql, projectId)}
      and u.id = ${userId}`
  return row
}

type Page = { after?: { createdAt: string; id: string } | undefined; limit: number }

/** Newest first. */
export const listMembers = async (sql: Db, projectId: string, { after, limit }: Page): Promise<MemberRow[]> => [
  ...(await sql<MemberRow[]>`
    select ${memberColumns(sql)} from ${members(sql, projectId)}
      ${after ? sql`and (u.created_at, u.id) < (${after.createdAt}::timestamptz, ${after.id}::uuid)` : sql``}
    order by u.created_at desc, u.id desc
    limit ${limit}`),
]

export type ProjectOf = { id: string; name: string; role: Role }

/** The projects of a user, by id; of an owner, all there are. */
export const listProjectsOf = async (
  sql: Db,
  { userId, isOwner }: { userId: string; isOwner: boolean },
  limit: number,
): Promise<ProjectOf[]> => [
  ...(isOwner
    ? await sql<ProjectOf[]>`select id, name, 'admin' as role from projects order by id limit ${limit}`
    : await sql<ProjectOf[]>`
        select p.id, p.name, m.role from project_members m join projects p on p.id = m.project_id
        where m.user_id = ${userId}
        order by p.id
        limit ${limit}`),
]

/** What a user may do in a project, as the database has it now; undefined when they are no member. */
export async function findStanding(
  sql: Db,
  projectId: string,
  userId: string,
): Promise<{ role: Role; isOwner: boolean } | undefined> {
  const [row] = await sql<{ role: Role; isOwner: boolean }[]>`
    select case when u.is_owner then 'admin' else m.role end as role, u.is_owner as "isOwner"
    from users u
    join projects p on p.id = ${projectId}
    left join project_members m on m.user_id = u.id and m.project_id = p.id
    where u.id = ${userId}
      and u.removed_at is null
      and (m.user_id is not null or u.is_owner)`
  return row
}

/** Where a user begins: in the project that they used last, or the first one by id; undefined when they have none. */
export async function findHome(sql: Db, { id, isOwner }: Pick<UserRow, 'id' | 'isOwner'>): Promise<string | undefined> {
  const [row] = await sql<{ id: string }[]>`
    select p.id from projects p
    where ${isOwner} or exists (select from project_members m where m.project_id = p.id and m.user_id = ${id})
    order by p.id = (
      select s.project_id from sessions s where s.user_id = ${id} order by s.created_at desc limit 1
    ) desc nulls last, p.id
    limit 1`
  return row?.id
}

/** The standing of who runs the installation, whatever the project; undefined for everybody else. */
export async function findOwner(sql: Db, userId: string): Promise<{ role: Role; isOwner: boolean } | undefined> {
  const [row] = await sql<{ role: Role; isOwner: boolean }[]>`
    select 'admin' as role, true as "isOwner" from users
    where id = ${userId}
      and is_owner
      and removed_at is null`
  return row
}
