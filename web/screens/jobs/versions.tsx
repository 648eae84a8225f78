// The versions of a job, each with what it changed.
import type { JobVersion } from '#contract/job.ts'
import { Time } from '../../parts/time.tsx'
import styles from './jobs.module.css'

export function Versions({ versions }: { versions: readonly JobVersion[] }) {
  return (
    <ol className={styles.versions}>
      {versions.map((version, index) => (
        <li key={version.id}>
          <strong>v{version.version}</strong> <Time at={version.created_at} />
          <Changes before={versions[index + 1]} after={version} />
        </li>
      ))}
    </ol>
  )
}

type ChangesProps = { before: JobVersion | undefined; after: JobVersion }

function Changes({ before, after }: ChangesProps) {
  if (!before)
    return <span className={styles.muted}>{after.version === 1 ? 'the first' : 'the oldest that is shown'}</span>
  const was = new Map<string, unknown>(Object.entries(before.definition))
  const changed = Object.entries(after.definition).filter(
    ([field, value]) => JSON.stringify(value) !== JSON.stringify(was.get(field)),
  )
  if (changed.length === 0) return <span className={styles.muted}>nothing changed</span>
  return (
    <ul className={styles.changes}>
      {changed.map(([field, value]) => (
        <li key={field}>
          <code>{field}</code> <del>{JSON.stringify(was.get(field))}</del> <ins>{JSON.stringify(value)}</ins>
        </li>
      ))}
    </ul>
  )
}
