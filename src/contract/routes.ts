// Every route there is: what the OpenAPI document and the tests over all routes are made from.
import * as access from './access.ts'
import * as agents from './agents.ts'
import * as authorizations from './authorizations.ts'
import * as batches from './batches.ts'
import * as bulk from './bulk.ts'
import * as chains from './chains.ts'
import * as debug from './debug.ts'
import * as dependencies from './dependencies.ts'
import * as endings from './endings.ts'
import * as events from './events.ts'
import * as executor from './executor.ts'
import * as files from './files.ts'
import * as inputs from './inputs.ts'
import * as jobs from './jobs.ts'
import * as operations from './operations.ts'
import * as presets from './presets.ts'
import * as records from './records.ts'
import type { Route } from './route.ts'
import * as runControls from './run-controls.ts'
import * as runs from './runs.ts'
import * as seals from './seals.ts'
import * as state from './state.ts'
import * as usage from './usage.ts'
import * as waits from './waits.ts'
import * as workers from './workers.ts'

const isRoute = (value: unknown): value is Route =>
  typeof value === 'object' && value !== null && 'method' in value && 'path' in value && 'replies' in value

/** In the order in which the document shows them. */
const RESOURCES: readonly Record<string, unknown>[] = [
  jobs,
  dependencies,
  presets,
  runs,
  batches,
  runControls,
  bulk,
  records,
  debug,
  usage,
  executor,
  endings,
  waits,
  state,
  workers,
  inputs,
  files,
  agents,
  authorizations,
  events,
  chains,
  seals,
  access,
  operations,
]

export const ROUTES: readonly Route[] = RESOURCES.flatMap((resource) => Object.values(resource).filter(isRoute))
