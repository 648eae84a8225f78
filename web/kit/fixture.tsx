import { type ReactNode, useId } from 'react'
import styles from './kit.module.css'

/** The states of one part, under its name. */
export function Section({ part, children }: { part: string; children: ReactNode }) {
  const id = useId()
  return (
    <section className={styles.section} aria-labelledby={id}>
      <h2 id={id}>{part}</h2>
      <div className={styles.fixtures}>{children}</div>
    </section>
  )
}

type FixtureProps = { state: string; wide?: boolean; children: ReactNode }

export function Fixture({ state, wide = false, children }: FixtureProps) {
  return (
    <figure className={`${styles.fixture} ${wide ? styles.wide : ''}`}>
      <figcaption>{state}</figcaption>
      <div>{children}</div>
    </figure>
  )
}
