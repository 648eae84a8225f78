// A look-up in a plain object by a text from outside finds what every object inherits. Types tell which look-ups those
// are: all by a `string`. The names that our own code gives are of narrower types.
import { relative } from 'node:path'
import {
  isBinaryExpression,
  isElementAccessExpression,
  isLiteralExpression,
  type Node,
  SyntaxKind,
} from 'typescript/unstable/ast'
import { API, type Checker, type Program } from 'typescript/unstable/sync'
import { expect, onTestFinished, test } from 'vitest'

/** Names of our own contract. Shrinks only. */
const ALLOWED = new Set([
  'src/core/own.ts of[name]',
  'src/dialects/vai/checks.ts values[name]',
  'src/http/input/own-ids.ts at.parentData[at.parentDataProperty]',
  'src/http/input/validation.ts data[name]',
  'src/http/openapi/openapi-schemas.ts schemas[title]',
  'src/http/openapi/openapi.ts paths[path]',
  'src/sdk/request.ts fields[route.bodyAs]',
  'src/sdk/request.ts input[name]',
  'src/sdk/request.ts name in inPath',
  'src/sdk/request.ts name in inQuery',
])
/** Between our own words: the names are made from those in our code. */
const ALLOWED_FILES = new Set(['src/http/wire/words.ts'])
const ANY_NAME = new Set(['string', 'string | undefined', 'string | number', 'any', 'unknown'])

test('members of plain objects are looked up with `own`, unless a type lists the possible names', {
  timeout: 180_000,
}, () => {
  const api = new API({ cwd: process.cwd() })
  onTestFinished(() => api.close())
  const [project] = api.updateSnapshot({ openProjects: ['tsconfig.json'] }).getProjects()
  const { program, checker } = project!
  const paths = program
    .getSourceFileNames()
    .map((path) => relative(process.cwd(), path))
    .filter((path) => /^src\/.*(?<!\.(?:test|fixture))\.ts$/.test(path) && !ALLOWED_FILES.has(path))
  expect(paths.length).toBeGreaterThan(100)
  const found = paths.flatMap((path) => lookUpsIn(path, program, checker))
  expect(found.filter((it) => !ALLOWED.has(it))).toEqual([])
})

function lookUpsIn(path: string, program: Program, checker: Checker): string[] {
  const file = program.getSourceFile(path)!
  const lookUps: { whole: Node; name: Node }[] = []
  const visit = (node: Node): void => {
    if (isElementAccessExpression(node) && !isLiteralExpression(node.argumentExpression))
      lookUps.push({ whole: node, name: node.argumentExpression })
    if (isBinaryExpression(node) && node.operatorToken.kind === SyntaxKind.InKeyword && !isLiteralExpression(node.left))
      lookUps.push({ whole: node, name: node.left })
    node.forEachChild(visit)
  }
  visit(file)
  if (lookUps.length === 0) return []
  const types = checker.getTypeAtLocation(lookUps.map(({ name }) => name))
  return lookUps
    .filter((_, index) => types[index] && ANY_NAME.has(checker.typeToString(types[index])))
    .map(({ whole }) => `${path} ${whole.getText(file)}`)
}
