// Writes the OpenAPI document to a file, for tools: `node src/http/openapi/write-openapi.ts openapi.json`.
import { writeFileSync } from 'node:fs'
import { ROUTES } from '#contract/routes.ts'
import manifest from '../../../package.json' with { type: 'json' }
import { openapiOf } from './openapi.ts'

const [, , path] = process.argv
if (!path) throw new Error('give the path of the file to write')
writeFileSync(path, `${JSON.stringify(openapiOf(ROUTES, { version: manifest.version }), null, 2)}\n`)
