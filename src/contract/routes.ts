// Every route there is: what the OpenAPI document and the tests over all routes are made from.
import * as access from './access.ts'
import * as events from './events.ts'
import * as executor from './executor.ts'
import * as jobs from './jobs.ts'
import * as operations from './operations.ts'
import * as records from './records.ts'
import type { Route } from './route.ts'
import * as runControls from './run-controls.ts'
import * as runs from './runs.ts'
import * as state from './state.ts'
import * as workers from './workers.ts'

const isRoute = (value: unknown): value is Route =>
  typeof value === 'object' && value !== null && 'method' in value && 'path' in value && 'replies' in value

/** In the order in which the document shows them. */
export const ROUTES: readonly Route[] = [
  jobs,
  runs,
  runControls,
  records,
  executor,
  state,
  workers,
  events,
  access,
  operations,
].flatMap((resource) => Object.values(resource).filter(isRoute))
