import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ownToolName, serverToolName } from './tool-name.ts'

const SERVER = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/)
const TOOL = fc.oneof(fc.string({ minLength: 1, maxLength: 200, unit: 'binary' }), fc.stringMatching(/^[\w-]{1,80}$/))
const ACCEPTED = /^[A-Za-z0-9_-]{1,64}$/

test('a name that fits stays as it is, behind the name of its server', () => {
  expect(serverToolName('github', 'create_issue')).toBe('github__create_issue')
  expect(ownToolName('search_web')).toBe('search_web')
})

test('every name is one that clients accept', () => {
  fc.assert(
    fc.property(SERVER, TOOL, (server, tool) => {
      expect(serverToolName(server, tool)).toMatch(ACCEPTED)
      expect(ownToolName(tool)).toMatch(ACCEPTED)
    }),
  )
})

test('tools of different servers never share a name, and neither does one of the project', () => {
  fc.assert(
    fc.property(SERVER, SERVER, TOOL, TOOL, (one, other, tool, another) => {
      const name = serverToolName(one, tool)
      if (one !== other || tool !== another) expect(serverToolName(other, another)).not.toBe(name)
      expect(ownToolName(another)).not.toBe(name)
    }),
  )
})
