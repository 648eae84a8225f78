// What a panel says when it has nothing to show: nothing there, still loading, refused, or broken.
import { CircleAlert, Inbox, Lock, RotateCw } from 'lucide-react'
import { type ReactNode, useEffect, useState } from 'react'
import { RunyardError } from '#sdk/error.ts'
import { Button } from './button.tsx'
import styles from './notes.module.css'

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className={styles.note}>
      <Inbox size={18} aria-hidden="true" />
      <div>
        <strong>{title}</strong>
        {children}
      </div>
    </div>
  )
}

const SKELETON_AFTER_MS = 150

/** "Loading" and "nothing" never look alike; what is there in a moment is not announced. */
export function Loading({ what }: { what: string }) {
  const [late, setLate] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), SKELETON_AFTER_MS)
    return () => clearTimeout(timer)
  }, [])
  return (
    <div className={styles.loading} role="status" aria-label={`Loading ${what}`}>
      {late && [0, 1, 2].map((row) => <i key={row} />)}
    </div>
  )
}

type FailureProps = { error: unknown; what: string; onRetry?: (() => void) | undefined }

export function Failure({ error, what, onRetry }: FailureProps) {
  const { message, code, requestId, details, status } = wordsOf(error)
  if (status === 403)
    return (
      <div className={styles.note} role="alert">
        <Lock size={18} aria-hidden="true" />
        <div>
          <strong>You may not see or do this</strong>
          <p>
            {typeof details.scope === 'string' ? (
              <>
                {what} needs the scope <code>{details.scope}</code>, which your session does not have.
              </>
            ) : (
              message
            )}
          </p>
        </div>
      </div>
    )
  return (
    <div className={`${styles.note} ${styles.bad}`} role="alert">
      <CircleAlert size={18} aria-hidden="true" />
      <div>
        <strong>{what}: that did not work</strong>
        <p>
          {message} <code>{code}</code>
          {requestId !== undefined && (
            <span className={styles.request}>
              {' '}
              Request <code>{requestId}</code>
            </span>
          )}
        </p>
        {onRetry && (
          <Button onClick={onRetry} icon={<RotateCw size={13} aria-hidden="true" />}>
            Try again
          </Button>
        )}
      </div>
    </div>
  )
}

type Words = Pick<RunyardError, 'message' | 'code' | 'requestId' | 'details' | 'status'>

function wordsOf(error: unknown): Words {
  if (error instanceof RunyardError) return error
  const message = error instanceof Error ? error.message : String(error)
  return { message, code: 'console', requestId: undefined, details: {}, status: 0 }
}

/** The sentence of a refusal, for a line beside a button. */
export const sentenceOf = (error: unknown): string => wordsOf(error).message
