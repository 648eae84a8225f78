// The button of a menu. The first screen does not wait for the menu itself, which is a good part of the console's weight.
import { lazy, type ReactNode, Suspense, useEffect, useState } from 'react'
import { LOAD_AFTER_MS } from '../parts/on-demand.tsx'
import styles from './top-bar.module.css'

export type MenuButtonProps = {
  label?: string
  items: readonly { id: string; name: ReactNode; act: () => void }[]
  children: ReactNode
}

const load = async () => ({ default: (await import('./menu.tsx')).Menu })
const Menu = lazy(load)

export function MenuButton(props: MenuButtonProps) {
  const { label, children } = props
  const [wasOpened, setWasOpened] = useState(false)
  useEffect(() => {
    // A failure is met again, and shown, when the menu is opened.
    const timer = setTimeout(() => void load().catch(() => {}), LOAD_AFTER_MS)
    return () => clearTimeout(timer)
  }, [])
  const button = (
    <button
      type="button"
      className={styles.plain}
      aria-label={label}
      aria-haspopup="menu"
      onClick={() => setWasOpened(true)}
    >
      {children}
    </button>
  )
  if (!wasOpened) return button
  return (
    <Suspense fallback={button}>
      <Menu {...props} />
    </Suspense>
  )
}
