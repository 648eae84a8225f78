// The cache of what the API answered.
import { QueryClient } from '@tanstack/react-query'
import { RunyardError } from '#sdk/error.ts'

const STALE_MS = 5_000
const RETRIES_MAX = 2

/** Set by the live switch: a page that somebody has paused is not asked for again behind their back. */
export const refetching = { isPaused: () => false }

/** How often what changes without an event is asked for again. */
export const unlessPaused = (everyMs: number) => (): number | false => (refetching.isPaused() ? false : everyMs)

const isLive = () => !refetching.isPaused()

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: STALE_MS,
      refetchOnWindowFocus: isLive,
      refetchOnReconnect: isLive,
      // What was refused once will be refused again.
      retry: (failures, error) =>
        failures < RETRIES_MAX && (!(error instanceof RunyardError) || error.status === 0 || error.status >= 500),
      // An old page stays while the next one comes.
      placeholderData: undefined,
      networkMode: 'always',
    },
    mutations: { networkMode: 'always' },
  },
})
