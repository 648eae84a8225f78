// Copies a text. Plain http has no clipboard API, and an old way that works.
import { Check, Copy } from 'lucide-react'
import { useState } from 'react'
import styles from './copy.module.css'

const SHOWN_MS = 1_500

export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text)
  const area = document.createElement('textarea')
  area.value = text
  document.body.append(area)
  area.select()
  document.execCommand('copy')
  area.remove()
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false)
  const copy = () =>
    copyText(text).then(() => {
      setDone(true)
      setTimeout(() => setDone(false), SHOWN_MS)
    })
  const Icon = done ? Check : Copy
  return (
    <button type="button" className={styles.copy} onClick={copy} aria-label={done ? 'Copied' : label} title={label}>
      <Icon size={13} aria-hidden="true" />
    </button>
  )
}

/** A command to copy. */
export function Snippet({ text, label }: { text: string; label: string }) {
  return (
    <div className={styles.snippet}>
      <pre>{text}</pre>
      <CopyButton text={text} label={label} />
    </div>
  )
}
