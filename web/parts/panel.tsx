import { type ReactNode, useId } from 'react'
import styles from './panel.module.css'

type PanelProps = { title?: ReactNode; label?: string; tools?: ReactNode; children: ReactNode; pad?: boolean }

export function Panel({ title, label, tools, children, pad = false }: PanelProps) {
  const id = useId()
  return (
    <section
      className={styles.panel}
      {...(title !== undefined ? { 'aria-labelledby': id } : { 'aria-label': label ?? '' })}
    >
      {(title !== undefined || tools !== undefined) && (
        <header className={styles.bar}>
          <h2 id={id}>{title}</h2>
          <span className={styles.tools}>{tools}</span>
        </header>
      )}
      <div className={pad ? styles.pad : ''}>{children}</div>
    </section>
  )
}

/** Names and values, side by side. */
export function Facts({ items }: { items: readonly (readonly [string, ReactNode] | false)[] }) {
  return (
    <dl className={styles.facts}>
      {items
        .filter((item) => item !== false)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  )
}
