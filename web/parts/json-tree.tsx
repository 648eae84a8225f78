// JSON to read: a tree that makes its rows when they are opened, with exact numbers, and a search for keys and values. It
// shows text as text, whatever a payload holds.
import { ChevronDown, ChevronRight } from 'lucide-react'
import { useState } from 'react'
import { ExactNumber, jsonText } from '../api/json.ts'
import { count } from '../look/words.ts'
import { CopyButton } from './copy.tsx'
import styles from './json-tree.module.css'

const OPEN_DEPTH = 2
const OPEN_MAX = 40
const SHOWN_AT_ONCE = 100
const TEXT_MAX = 2_000

type JsonTreeProps = { value: unknown; label: string }

export function JsonTree({ value, label }: JsonTreeProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls can be reached by key.
    // biome-ignore lint/a11y/useSemanticElements: it groups no fields.
    <div role="group" className={styles.tree} aria-label={label} tabIndex={0}>
      <span className={styles.copy}>
        <LazyCopy value={value} label={label} />
      </span>
      <Node value={value} depth={0} />
    </div>
  )
}

/** The text of a large value is made when somebody points at the button. */
function LazyCopy({ value, label }: JsonTreeProps) {
  const [text, setText] = useState('')
  const make = () => setText((made) => made || jsonText(value))
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the button inside is what one acts on.
    <span onPointerEnter={make} onFocus={make}>
      <CopyButton text={text} label={`Copy ${label}`} />
    </span>
  )
}

type NodeProps = { name?: string; value: unknown; depth: number }

function Node({ name, value, depth }: NodeProps) {
  const key = name !== undefined && <span className={styles.key}>{name}: </span>
  if (typeof value !== 'object' || value === null || value instanceof ExactNumber)
    return (
      <div className={styles.leaf}>
        {key}
        <Leaf value={value} />
      </div>
    )
  return <Branch name={key} value={value} depth={depth} />
}

type BranchProps = { name: React.ReactNode; value: object; depth: number }

function Branch({ name, value, depth }: BranchProps) {
  const entries = Object.entries(value)
  const [isOpen, setOpen] = useState(depth < OPEN_DEPTH && entries.length <= OPEN_MAX)
  const [shown, setShown] = useState(SHOWN_AT_ONCE)
  const isList = Array.isArray(value)
  const size = `${isList ? '[' : '{'}${count(entries.length)}${isList ? ']' : '}'}`
  if (entries.length === 0)
    return (
      <div className={styles.leaf}>
        {name}
        {isList ? '[]' : '{}'}
      </div>
    )
  return (
    <div>
      <button type="button" className={styles.branch} aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {isOpen ? <ChevronDown size={11} aria-hidden="true" /> : <ChevronRight size={11} aria-hidden="true" />}
        {name}
        <span className={styles.size}>{size}</span>
      </button>
      {isOpen && (
        <div className={styles.inside}>
          {entries.slice(0, shown).map(([key, child]) => (
            <Node key={key} name={key} value={child} depth={depth + 1} />
          ))}
          {entries.length > shown && (
            <button type="button" className={styles.branch} onClick={() => setShown(shown + SHOWN_AT_ONCE * 5)}>
              {count(entries.length - shown)} more
            </button>
          )}
        </div>
      )}
    </div>
  )
}

function Leaf({ value }: { value: unknown }) {
  const [isWhole, setWhole] = useState(false)
  if (typeof value === 'string') {
    const isLong = value.length > TEXT_MAX && !isWhole
    return (
      <>
        <span className={styles.text}>{isLong ? `${value.slice(0, TEXT_MAX)}…` : value}</span>
        {isLong && (
          <button type="button" className={styles.branch} onClick={() => setWhole(true)}>
            {count(value.length)} characters
          </button>
        )}
      </>
    )
  }
  return (
    <span className={typeof value === 'boolean' || value === null ? styles.word : styles.number}>{String(value)}</span>
  )
}
