// How an action calls an endpoint. The caller itself is the engine's; a node gives it to the actions that need one.

import { part } from '#bell/part.ts'

export type PostRequest = {
  url: string
  headers: Record<string, string>
  body: string
  /** From the call to the last byte of the response. */
  timeoutMs: number
  signal?: AbortSignal
  resultBytesMax: number
}

export type PostOutcome =
  | {
      kind: 'response'
      status: number
      headers: Record<string, string>
      bodyText: string
      isJson: boolean
      json?: unknown
    }
  | { kind: 'failed'; reason: string; message: string }

export type Post = (request: PostRequest) => Promise<PostOutcome>

/** Calls an endpoint, guarded and bounded. A fault of the other side is an outcome, never an exception. */
export const postOf = part<Post>(() => async () => ({
  kind: 'failed',
  reason: 'aborted',
  message: 'this context has no HTTP client',
}))
