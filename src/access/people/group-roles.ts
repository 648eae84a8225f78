// What the groups of an identity provider give: roles in projects, or the installation itself.
import { ROLES, type Role } from '#core/roles.ts'

/** `*` stands for everybody whom the provider knows. Without a project: an owner. */
export type GroupRole = { group: string; role: Role; projectId: string } | { group: string; role: 'owner' }

export type Given = {
  isOwner: boolean
  /** By project; of several groups the widest. */
  roles: ReadonlyMap<string, Role>
}

export function givenBy(table: readonly GroupRole[], groups: readonly string[]): Given {
  const held = new Set([...groups, '*'])
  const roles = new Map<string, Role>()
  let isOwner = false
  for (const entry of table.filter(({ group }) => held.has(group))) {
    if (entry.role === 'owner') isOwner = true
    else roles.set(entry.projectId, widest(roles.get(entry.projectId), entry.role))
  }
  return { isOwner, roles }
}

const widest = (one: Role | undefined, other: Role): Role =>
  one !== undefined && ROLES.indexOf(one) > ROLES.indexOf(other) ? one : other

const ENTRY = /^(.+)=(?:owner|(\w+)@([a-z0-9][a-z0-9_-]{0,62}))$/

/** `<group>=<role>@<project>` or `<group>=owner`; undefined for anything else. */
export function readGroupRole(text: string): GroupRole | undefined {
  const [, group, word, projectId] = ENTRY.exec(text) ?? []
  if (group === undefined) return undefined
  if (word === undefined || projectId === undefined) return { group, role: 'owner' }
  const role = ROLES.find((it) => it === word)
  return role && { group, role, projectId }
}
