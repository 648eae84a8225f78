// The fixtures page: every part of the console in every state, with answers that are made up here. `npm run web` serves it
// at /kit.html; the console that a node serves does not have it.
import '../look/tokens.css'
import '../look/base.css'
import { QueryClientProvider } from '@tanstack/react-query'
import { createMemoryHistory, createRootRoute, createRoute, createRouter, RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { queryClient } from '../api/query-client.ts'
import { sessionQuery } from '../api/session.ts'
import { startPreferences } from '../look/preferences.ts'
import { Kit } from './kit.tsx'
import { SESSION } from './samples.ts'
import { answerCalls } from './server.ts'

// Links of the parts lead to screens, which are not here: wherever one goes, it is this page.
const root = createRootRoute()
const anywhere = createRoute({ getParentRoute: () => root, path: '$', component: Kit })
const router = createRouter({
  routeTree: root.addChildren([anywhere]),
  history: createMemoryHistory({ initialEntries: ['/kit'] }),
})

answerCalls()
startPreferences()
queryClient.setQueryData(sessionQuery.queryKey, SESSION)

createRoot(document.getElementById('app')!).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
)
