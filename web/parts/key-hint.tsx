// The key that does the same as a button; screen readers have the list of shortcuts.
import styles from './key-hint.module.css'

export function KeyHint({ name }: { name: string }) {
  return (
    <span className={styles.key} aria-hidden="true">
      {name}
    </span>
  )
}
