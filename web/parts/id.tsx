// An id in monospace, shortened in the middle and never wrapped; the whole of it is in its title and in the copy.
import { Link } from '@tanstack/react-router'
import { shortId } from '../look/words.ts'
import { CopyButton } from './copy.tsx'
import styles from './id.module.css'

export function Id({ id, what }: { id: string; what: string }) {
  return (
    <span className={styles.id}>
      <code title={id}>{shortId(id)}</code>
      <CopyButton text={id} label={`Copy the id of the ${what}`} />
    </span>
  )
}

export function RunLink({ id, children }: { id: string; children?: React.ReactNode }) {
  return (
    <Link to="/runs/$run_id" params={{ run_id: id }} title={id} className={styles.link}>
      {children ?? <code>{shortId(id)}</code>}
    </Link>
  )
}

/** Who did something: people by their name, keys and workers by their id. */
type ActorNameProps = { type: string | null; id: string | null; name?: string | null | undefined }

export function ActorName({ type, id, name }: ActorNameProps) {
  if (type === null || type === 'system') return <span>system</span>
  if (name) return <span title={`${type.replace('_', ' ')} ${id}`}>{name}</span>
  return (
    <span className={styles.id}>
      {type.replace('_', ' ')} {id !== null && <code title={id}>{shortId(id)}</code>}
    </span>
  )
}
