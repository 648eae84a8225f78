// Clients of earlier revisions cancel a call by another request, which names its session and the call's id. Those of
// the current one close the request.
import type { FastifyRequest } from 'fastify'
import { callerOf } from '../caller.ts'
import { sessionOf } from './gateway-request.ts'

export type Cancellations = Map<string, AbortController>

type Call = {
  id: string | number
  signal: AbortSignal
  /** The client has closed the request: nobody would get the answer, which no other stream goes on with. */
  gone: AbortSignal
}

/** A call that its client can end; `done` must be called in the end. */
export function cancelable(calls: Cancellations, request: FastifyRequest, { id, signal, gone }: Call) {
  const name = nameOf(request, id)
  const canceling = new AbortController()
  if (name !== undefined) calls.set(name, canceling)
  return {
    signal: AbortSignal.any([signal, gone, canceling.signal]),
    done() {
      if (name !== undefined && calls.get(name) === canceling) calls.delete(name)
    },
  }
}

/** Of a session there may be several requests under way: one that says that a call is canceled ends that call. */
export function cancelNamed(calls: Cancellations, request: FastifyRequest): void {
  const { method, params } = (request.body ?? {}) as { method?: unknown; params?: { requestId?: unknown } }
  if (method !== 'notifications/cancelled') return
  const id = params?.requestId
  const name = typeof id === 'string' || typeof id === 'number' ? nameOf(request, id) : undefined
  if (name !== undefined) calls.get(name)?.abort()
}

/** Without a session, the ids of two clients with the same key could be taken for each other's. */
function nameOf(request: FastifyRequest, id: string | number): string | undefined {
  const session = sessionOf(request)
  return session && JSON.stringify([callerOf(request).projectId, session, id])
}
