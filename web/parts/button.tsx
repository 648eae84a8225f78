import type { ComponentProps, ReactNode } from 'react'
import styles from './button.module.css'
import { KeyHint } from './key-hint.tsx'

type Look = 'plain' | 'main' | 'danger' | 'quiet'
type ButtonProps = Omit<ComponentProps<'button'>, 'className'> & {
  look?: Look
  /** The key that does the same. */
  hint?: string | undefined
  icon?: ReactNode
}

export function Button({ look = 'plain', hint, icon, children, ...rest }: ButtonProps) {
  return (
    <button type="button" {...rest} className={`${styles.button} ${styles[look]}`}>
      {icon}
      {children}
      {hint !== undefined && <KeyHint name={hint} />}
    </button>
  )
}
