// Every screen is an address. Its params have the API's own names; its search is what the API's list takes.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router'
import { RunyardError } from '#sdk/error.ts'
import { BASE } from './api/call.ts'
import { queryClient } from './api/query-client.ts'
import { sessionQuery } from './api/session.ts'
import { Frame } from './frame/frame.tsx'
import { Broken, NotFound } from './frame/lost.tsx'
import { one, parseSearch, pick, stringifySearch } from './routing/search.ts'
import { EVENT_FILTERS } from './screens/events/filters.ts'
import { RUN_FILTERS } from './screens/runs/filters.ts'
import { RunsScreen } from './screens/runs/runs-screen.tsx'
import { SignInScreen } from './screens/sign-in/sign-in-screen.tsx'

const root = createRootRoute({ notFoundComponent: NotFound })

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: (search): { next?: string } => {
    const next = one(pick(['next'])(search).next)
    return next === undefined ? {} : { next }
  },
  component: SignInScreen,
})

const signedIn = createRoute({
  getParentRoute: () => root,
  id: 'signed-in',
  beforeLoad: async ({ location }) => {
    await queryClient.ensureQueryData(sessionQuery).catch((error: unknown) => {
      if (!(error instanceof RunyardError) || error.status !== 401) throw error
      throw redirect({ to: '/sign-in', search: { next: location.href } })
    })
  },
  component: Frame,
})

const screen = { getParentRoute: () => signedIn }

const home = createRoute({
  ...screen,
  path: '/',
  component: lazyRouteComponent(() => import('./screens/home/home-screen.tsx'), 'HomeScreen'),
})
const runs = createRoute({ ...screen, path: '/runs', validateSearch: pick(RUN_FILTERS), component: RunsScreen })
const run = createRoute({
  ...screen,
  path: '/runs/$run_id',
  validateSearch: pick(['tab', 'event']),
  component: lazyRouteComponent(() => import('./screens/run/run-screen.tsx'), 'RunScreen'),
})
const failures = createRoute({
  ...screen,
  path: '/failures',
  validateSearch: pick(['days', 'job', 'error_group']),
  component: lazyRouteComponent(() => import('./screens/failures/failures-screen.tsx'), 'FailuresScreen'),
})
const inbox = createRoute({
  ...screen,
  path: '/inbox',
  validateSearch: pick(['input_request_id', 'status', 'agent_id']),
  component: lazyRouteComponent(() => import('./screens/inbox/inbox-screen.tsx'), 'InboxScreen'),
})
const agents = createRoute({
  ...screen,
  path: '/agents',
  validateSearch: pick(['tab']),
  component: lazyRouteComponent(() => import('./screens/agents/agents-screen.tsx'), 'AgentsScreen'),
})
const agent = createRoute({
  ...screen,
  path: '/agents/$agent_id',
  validateSearch: pick(['tab']),
  component: lazyRouteComponent(() => import('./screens/agents/agent-screen.tsx'), 'AgentScreen'),
})
const events = createRoute({
  ...screen,
  path: '/events',
  validateSearch: pick(EVENT_FILTERS),
  component: lazyRouteComponent(() => import('./screens/events/events-screen.tsx'), 'EventsScreen'),
})
const jobs = createRoute({
  ...screen,
  path: '/jobs',
  validateSearch: pick(['slug', 'tag', 'execution']),
  component: lazyRouteComponent(() => import('./screens/jobs/jobs-screen.tsx'), 'JobsScreen'),
})
const job = createRoute({
  ...screen,
  path: '/jobs/$job',
  validateSearch: pick(['tab']),
  component: lazyRouteComponent(() => import('./screens/jobs/job-screen.tsx'), 'JobScreen'),
})
const usage = createRoute({
  ...screen,
  path: '/usage',
  validateSearch: pick(['days', 'group_by']),
  component: lazyRouteComponent(() => import('./screens/usage/usage-screen.tsx'), 'UsageScreen'),
})
const operations = createRoute({
  ...screen,
  path: '/operations',
  component: lazyRouteComponent(() => import('./screens/operations/operations-screen.tsx'), 'OperationsScreen'),
})
const settings = createRoute({
  ...screen,
  path: '/settings',
  validateSearch: pick(['tab', 'webhook_id', 'outcome']),
  component: lazyRouteComponent(() => import('./screens/settings/settings-screen.tsx'), 'SettingsScreen'),
})

export const router = createRouter({
  routeTree: root.addChildren([
    signIn,
    signedIn.addChildren([
      home,
      runs,
      run,
      failures,
      inbox,
      agents,
      agent,
      events,
      jobs,
      job,
      usage,
      operations,
      settings,
    ]),
  ]),
  basepath: new URL(BASE).pathname,
  parseSearch,
  stringifySearch,
  defaultPreload: 'intent',
  // What a screen has read is the query cache's to keep.
  defaultPreloadStaleTime: 0,
  defaultErrorComponent: Broken,
  scrollRestoration: true,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
