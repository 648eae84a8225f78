// Who is signed in.
import { queryOptions, useQuery } from '@tanstack/react-query'
import type * as sessions from '#contract/people/sessions.ts'
import type { Scope } from '#core/scopes.ts'
import { call, setProject } from './call.ts'
import { queryClient } from './query-client.ts'

export type Session = sessions.Session

export const getSignIn = call<typeof sessions.getSignIn>('GET', '/v1/session/methods')
export const signIn = call<typeof sessions.signIn>('POST', '/v1/session')
const getSession = call<typeof sessions.getSession>('GET', '/v1/session')
const endOwnSession = call<typeof sessions.signOut>('DELETE', '/v1/session')

const PROJECT = 'runyard.project'

/** The project that this tab is about: each tab has its own, and a new one begins with the last that was chosen. */
const keptProject = (): string | undefined =>
  sessionStorage.getItem(PROJECT) ?? localStorage.getItem(PROJECT) ?? undefined

export function chooseProject(project: string | undefined): void {
  for (const storage of [sessionStorage, localStorage]) {
    if (project === undefined) storage.removeItem(PROJECT)
    else storage.setItem(PROJECT, project)
  }
  setProject(project)
}

async function readSession(signal: AbortSignal): Promise<Session> {
  setProject(keptProject())
  const session = await getSession({}, { signal }).catch((error: unknown) => {
    if (keptProject() === undefined) throw error
    // The project that was kept may be gone, or another person's.
    chooseProject(undefined)
    return getSession({}, { signal })
  })
  setProject(session.project_id)
  return session
}

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: ({ signal }) => readSession(signal),
  staleTime: Number.POSITIVE_INFINITY,
  retry: false,
})

export const useSession = (): Session | undefined => useQuery(sessionQuery).data

/** Whether the person may do this. The server decides; the console only hides what would be refused. */
export function useMay(): (scope: Scope) => boolean {
  const session = useSession()
  return (scope) => session?.scopes.includes(scope) ?? false
}

/** What is still to be sent in the name of whoever leaves. */
export const beforeSignOut = new Set<() => Promise<void>>()

export async function signOut(): Promise<void> {
  await Promise.all([...beforeSignOut].map((act) => act()))
  await endOwnSession({})
  forgetSession()
}

/** After the session has ended, however it did. */
export function forgetSession(): void {
  chooseProject(undefined)
  queryClient.clear()
}
