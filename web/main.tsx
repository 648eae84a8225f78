import './look/tokens.css'
import './look/base.css'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { whenSignedOut } from './api/call.ts'
import { queryClient, refetching } from './api/query-client.ts'
import { sessionQuery } from './api/session.ts'
import { isPaused } from './live/live.ts'
import { startPreferences } from './look/preferences.ts'
import { router } from './router.tsx'
import { recoverLostFiles } from './routing/lost-files.ts'

// The page's <base> is relative to where it was opened; screens that are gone to must not move it.
document.querySelector('base')!.href = document.baseURI

recoverLostFiles()
startPreferences()
refetching.isPaused = isPaused
whenSignedOut(() => void queryClient.resetQueries({ queryKey: sessionQuery.queryKey }).then(() => router.invalidate()))

createRoot(document.getElementById('app')!).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
)
