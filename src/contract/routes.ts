// Every route there is: what the OpenAPI document and the tests over all routes are made from.
import * as access from './access.ts'
import * as agents from './agents.ts'
import * as alertChannels from './alerts/channels.ts'
import * as alertRules from './alerts/rules.ts'
import * as authorizations from './authorizations.ts'
import * as chains from './chains.ts'
import * as dependencies from './dependencies.ts'
import * as events from './events.ts'
import * as files from './files.ts'
import * as find from './find.ts'
import * as toolServers from './gateway/tool-servers.ts'
import * as hooks from './hooks.ts'
import * as inputs from './inputs.ts'
import * as jobs from './jobs.ts'
import * as operations from './operations.ts'
import * as otlp from './otlp.ts'
import * as sessions from './people/sessions.ts'
import * as users from './people/users.ts'
import * as presets from './presets.ts'
import type { Route } from './route.ts'
import * as batches from './runs/batches.ts'
import * as bulk from './runs/bulk.ts'
import * as debug from './runs/debug.ts'
import * as endings from './runs/endings.ts'
import * as ends from './runs/ends.ts'
import * as executor from './runs/executor.ts'
import * as records from './runs/records.ts'
import * as runControls from './runs/run-controls.ts'
import * as runs from './runs/runs.ts'
import * as timeline from './runs/timeline.ts'
import * as values from './runs/values.ts'
import * as waits from './runs/waits.ts'
import * as workers from './runs/workers.ts'
import * as seals from './seals.ts'
import * as tools from './tools.ts'
import * as usage from './usage.ts'
import * as webhooks from './webhooks.ts'

export const isRoute = (value: unknown): value is Route =>
  typeof value === 'object' && value !== null && 'method' in value && 'path' in value && 'replies' in value

/** Everything that the contract exports, in the order in which the document shows it. */
export const CONTRACT = {
  ...jobs,
  ...dependencies,
  ...presets,
  ...runs,
  ...ends,
  ...timeline,
  ...batches,
  ...runControls,
  ...bulk,
  ...records,
  ...debug,
  ...usage,
  ...executor,
  ...endings,
  ...waits,
  ...values,
  ...workers,
  ...inputs,
  ...hooks,
  ...files,
  ...agents,
  ...authorizations,
  ...tools,
  ...toolServers,
  ...events,
  ...otlp,
  ...chains,
  ...seals,
  ...webhooks,
  ...alertRules,
  ...alertChannels,
  ...access,
  ...sessions,
  ...users,
  ...operations,
  ...find,
}

export const ROUTES: readonly Route[] = Object.values<unknown>(CONTRACT).filter(isRoute)
