import { expect, test } from 'vitest'
import { type GroupRole, givenBy, readGroupRole } from './group-roles.ts'

const table = [
  '*=viewer@default',
  'oncall=operator@default',
  'oncall=viewer@second',
  'eu=west=admin@default',
  'platform=owner',
]
  .map(readGroupRole)
  .filter((it): it is GroupRole => it !== undefined)

test('of several groups that give a role in a project the widest counts, in whatever order', () => {
  expect(givenBy(table, ['oncall'])).toEqual({
    isOwner: false,
    roles: new Map([
      ['default', 'operator'],
      ['second', 'viewer'],
    ]),
  })
  expect(givenBy([...table].reverse(), ['oncall']).roles.get('default')).toBe('operator')
})

test('a group may have an equals sign in its name', () => {
  expect(givenBy(table, ['eu=west']).roles.get('default')).toBe('admin')
})

test('an owner is given by a group of owners alone', () => {
  expect(givenBy(table, []).isOwner).toBe(false)
  expect(givenBy(table, ['platform']).isOwner).toBe(true)
})

test.each(['', 'x', '=viewer@default', 'g=root@default', 'g=viewer', 'g=viewer@Big', 'g=viewer@'])(
  '%j is no entry',
  (text) => {
    expect(readGroupRole(text)).toBeUndefined()
  },
)
