// What is installed: on every Node that the README promises, without a warning that one of the packages wants another.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

type Packages = { packages: Record<string, { engines?: { node?: string } }> }
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Packages

/** The least that is promised, the even versions that are maintained, and the one that runs the product. */
const PROMISED = ['20.19.0', '22.13.0', '24.0.0', '24.21.0']
const COMPARATOR = /^(>=|<|\^|)(\d+|\*)(?:\.(\d+|[x*]))?(?:\.(\d+|[x*]))?$/

/** Whether a version lies in a range, for the kinds of ranges that packages here have; any other kind is an error. */
function isWithin(version: string, range: string): boolean {
  return range.split('||').some((all) =>
    all
      .trim()
      .replace(/(>=|<|\^)\s+/g, '$1')
      .split(/\s+/)
      .every((comparator) => meets(version.split('.').map(Number), comparator)),
  )
}

function meets(version: number[], comparator: string): boolean {
  const found = COMPARATOR.exec(comparator)
  if (!found) throw new Error(`"${comparator}" is a kind of range that this test does not know`)
  const [, operator, ...written] = found
  const given = written.filter((part) => part !== undefined && part !== 'x' && part !== '*').map(Number)
  const difference = given.map((part, index) => version[index]! - part).find((it) => it !== 0) ?? 0
  if (operator === '>=') return difference >= 0
  if (operator === '<') return difference < 0
  if (operator === '^') return difference >= 0 && version[0] === given[0]
  return difference === 0
}

test('every package supports every Node version that the README promises', () => {
  const readme = readFileSync('README.md', 'utf8')
  expect(readme).toContain('needs Node 20.19 or later')
  expect(packages['']!.engines!.node).toBe('>=20.19.0')
  const unwilling = Object.entries(packages).flatMap(([path, { engines }]) =>
    PROMISED.filter((version) => engines?.node !== undefined && !isWithin(version, engines.node)).map(
      (version) => `${path} wants ${engines!.node}, not ${version}`,
    ),
  )
  expect(unwilling).toEqual([])
})
