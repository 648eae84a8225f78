// Keys of the console. No letter acts while a field has the focus or a dialog is open, and sequences such as "g r" wait a
// moment for their second key.
import { useEffect, useRef } from 'react'

export type Keys = Readonly<Record<string, (event: KeyboardEvent) => void>>

const SEQUENCE_MS = 1_000
const FIELDS = 'input, textarea, select, [contenteditable=""], [contenteditable="true"]'

type Binding = { current: Keys }
const bindings: Binding[] = []
let first: { key: string; atMs: number } | undefined

const isTyping = (event: KeyboardEvent): boolean => event.target instanceof Element && event.target.matches(FIELDS)
const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent)

/** As it is written in the list of shortcuts: "Mod+k", "Shift+x", "g r", "?". */
function nameOf(event: KeyboardEvent): string {
  const mod = isMac ? event.metaKey : event.ctrlKey
  const letter = event.key.length === 1 && /[A-Za-z]/.test(event.key)
  const key = letter ? event.key.toLowerCase() : event.key === ' ' ? 'Space' : event.key
  return `${mod ? 'Mod+' : ''}${letter && event.shiftKey ? 'Shift+' : ''}${key}`
}

function onKeyDown(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing || (event.altKey && !isMac)) return
  const name = nameOf(event)
  const isMod = name.startsWith('Mod+')
  if (!isMod && event.key !== 'Escape' && (isTyping(event) || document.querySelector('[role="dialog"], [role="menu"]')))
    return
  const sequence = first && event.timeStamp - first.atMs < SEQUENCE_MS ? `${first.key} ${name}` : undefined
  first = undefined
  for (const wanted of sequence ? [sequence, name] : [name]) {
    // What was shown last, such as the screen above the frame, goes first.
    const act = bindings.findLast(({ current }) => Object.hasOwn(current, wanted))?.current[wanted]
    if (!act) continue
    event.preventDefault()
    act(event)
    return
  }
  if (bindings.some(({ current }) => Object.keys(current).some((keys) => keys.startsWith(`${name} `))))
    first = { key: name, atMs: event.timeStamp }
}

export function useKeys(keys: Keys): void {
  const binding = useRef(keys)
  useEffect(() => {
    binding.current = keys
  })
  useEffect(() => {
    if (bindings.length === 0) addEventListener('keydown', onKeyDown)
    bindings.push(binding)
    return () => {
      bindings.splice(bindings.indexOf(binding), 1)
      if (bindings.length === 0) removeEventListener('keydown', onKeyDown)
    }
  }, [])
}
